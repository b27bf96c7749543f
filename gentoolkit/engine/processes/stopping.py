"""Stopping at a step that all processes agree on.

A signal (SIGTERM, SIGUSR1, SIGINT, or SIGHUP of a closed terminal), a time that is over and a file `STOP` in the run folder
raise a flag; the loop asks for the largest flags of all processes (one reduction for all of them, on the CPU group, one step
late, so that nobody waits) and leaves after a committed checkpoint. A second signal leaves at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from gentoolkit.registry import GentoolError

from .launched import BEGAN, note
from .world import World

DONE, RESUMABLE, DIVERGED = 0, 75, 70
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
CAUSES = ("signal", "time", "file", "save")
"""What may end a run early: each has a place in the vector that is reduced. `save`: a checkpoint could not be written in the
background, which the process that wrote it alone knows."""
STOP_FILE = "STOP"
LOOK_SECONDS = 1.0
"""The file is looked for this often at most."""
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
SPANS = (
    r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s?)?",
    r"(?P<d>\d+)-(?P<h>\d+)(?::(?P<m>\d\d)(?::(?P<s>\d\d))?)?",
    r"(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d\d)",
)


class Stopped(GentoolError):
    """What was being computed was left because a stop was asked for; nothing of it was kept unless that is said."""

    exit_code = RESUMABLE


class Stop:
    """The stop flags of this process, and the agreement on them. A context: the handlers are restored on leaving.

    Args:
        world: this process.
        until: `time.monotonic()` at which the time is over, or None.
        file: the file that asks for a stop; the first process looks for it.
    """

    def __init__(self, world: World, until: float | None = None, file: Path | None = None) -> None:
        self.world, self.until, self.file = world, until, file if world.first else None
        self.flags = dict.fromkeys(CAUSES, 0)
        """By cause: 0, or what was asked for here (a signal's number, 1 for the others)."""
        self.agreed_on: dict[str, int] = {}
        """The causes that all processes know of, once they have agreed to stop."""
        self._looked = -LOOK_SECONDS
        self._before: dict[int, Any] = {}
        self._pending: tuple[Any, torch.Tensor] | None = None

    def __enter__(self) -> Stop:
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # under nohup a closed terminal is no reason to stop
            try:
                self._before[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: a notebook or a server; then signals are not ours
                break
        note(BEGAN)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.flags["signal"]:
            os._exit(128 + number)
        self.flags["signal"] = number

    def ask(self, cause: str, value: int = 1) -> None:
        """Ask for a stop, from any thread."""
        self.flags[cause] = value

    @property
    def asked(self) -> bool:
        """Whether this process has been asked to stop; it may be alone with it, so a loop of several calls `agreed`."""
        now = time.monotonic()
        if self.until is not None and now >= self.until:
            self.flags["time"] = 1
        if self.file is not None and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self.flags["file"] = int(self.file.exists())
        return any(self.flags.values())

    def agreed(self) -> bool:
        """Whether all processes stop here; called equally often by all: once per step, and once per state of a sampler.

        A flag is known to all one call later. Once they have agreed they stay so, and nothing is reduced any more.
        """
        if self.agreed_on:
            return True
        asked = self.asked
        if self.world.size == 1:
            self.agreed_on = {cause: value for cause, value in self.flags.items() if asked and value}
            return asked
        if self._pending is not None:
            work, flags = self._pending
            work.wait()
            self.agreed_on = {cause: value for cause, value in zip(CAUSES, flags.tolist(), strict=True) if value}
            self._pending = None
            if self.agreed_on:
                return True
        flags = torch.tensor([self.flags[cause] for cause in CAUSES])
        self._pending = (dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=self.world.flags, async_op=True), flags)
        return False

    @property
    def why(self) -> str:
        """What was agreed on, in words."""
        causes = self.agreed_on or {cause: value for cause, value in self.flags.items() if value}
        words = {"time": "its time is over", "file": f"the file {STOP_FILE} was there", "save": "a checkpoint failed"}
        return ", ".join(words.get(c) or signal.Signals(v).name for c, v in causes.items())

    def obeyed(self) -> None:
        """Remove the file that asks, also one that came too late; called once the checkpoint is committed."""
        if self.file is not None:
            with contextlib.suppress(FileNotFoundError):
                self.file.unlink()


def seconds(text: str) -> float:
    """A time span in seconds: `2h30m`, `90m`, `45s`, `3600`, or as Slurm writes it, `30:00` (minutes), `12:00:00`,
    `1-00:00:00`.

    Raises:
        GentoolError: it is none.
    """
    match = next(filter(None, (re.fullmatch(span, text.strip()) for span in SPANS)), None)
    found = match.groupdict() if match else {}
    total = sum(unit * int(found.get(name) or 0) for name, unit in UNITS.items())
    if total == 0:
        raise GentoolError(f"{text!r} is no time span; write 2h30m, 90m, 3600 (seconds) or 1-00:00:00")
    return float(total)
