"""What a worker and its launcher tell each other, in a folder of the launcher's: torch's agent sees exit codes alone.

began        a worker listens for signals by now
stopped      all workers left because a stop was asked for; they exit with 0, since nothing failed
final        the exit code of a failure that starting again would not mend
said-...     a message that one worker has said, so that no other repeats it
"""

from __future__ import annotations

import ctypes
import os
import signal
from hashlib import blake2b
from pathlib import Path

REPORTS = "GENTOOL_REPORTS"
LAUNCHER = "GENTOOL_LAUNCHER"
BEGAN, STOPPED, FINAL = "began", "stopped", "final"
RESUMABLE, DIVERGED, MISTAKE = 75, 70, 2
PR_SET_PDEATHSIG = 1
LOST = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "DistNetworkError", "DistStoreError", "NCCL")


def begin() -> None:
    """In a worker, before anything else: end when the launcher ends, and at once when told to while nothing is to be saved."""
    if REPORTS not in os.environ:
        return
    if hasattr(os, "uname") and os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[LAUNCHER]):  # it ended before we asked
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def note(name: str, text: str = "") -> bool:
    """Leave a note for the launcher and the other workers; False if it is there already, or nobody reads it."""
    if REPORTS not in os.environ:
        return False
    try:
        with (Path(os.environ[REPORTS]) / name).open("x") as file:
            file.write(text)
    except OSError:
        return False
    return True


def said(text: str) -> bool:
    """Whether another worker of this launcher has said this."""
    return REPORTS in os.environ and not note(f"said-{blake2b(text.encode(), digest_size=8).hexdigest()}")


def ended(code: int, final: bool) -> int:
    """The exit code of a worker that ends with `code`, as its launcher is to see it; `final`: starting again mends nothing."""
    if REPORTS not in os.environ:
        return code
    if code == RESUMABLE:
        note(STOPPED)
        return 0
    if code and final:
        note(FINAL, str(code))
    return code


def lost_another(error: BaseException) -> bool:
    """Whether an error comes of another process's end: a collective that its partner left. Torch says so in words alone."""
    seen: BaseException | None = error
    while seen is not None:
        text = f"{type(seen).__name__} {seen}"
        if any(word in text for word in LOST):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
