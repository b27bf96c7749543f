"""Fault points: a process that dies, or a disk that fails, at a named instant of writing, so that tests can pass each of them.

    GENTOOL_FAULT=after:COMMIT.json:2     kill -9 to itself after the second commit was written
    GENTOOL_FAULT=fail:shard:1            the first and every later shard finds the disk full

Nothing happens unless the variable is set, which is read once.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from gentoolkit.registry import GentoolError

VARIABLE = "GENTOOL_FAULT"
WHEN = ("before", "middle", "after", "fail")
POINTS = (
    "recipe.toml",
    "environment.json",
    "data.json",
    "metrics.jsonl",
    "line",
    "mkdir",
    "shard",
    "rename",
    "COMMIT.json",
    "unlink",
    "rmtree",
    "withdraw",
)
"""What is written: the files of the run folder at a start, a line of the log, and what a checkpoint's life is made of."""

Instant = Callable[[], None]


class Fault:
    """What is to go wrong, and when.

    Args:
        text: `WHEN:POINT:COUNT`; empty for never.

    Raises:
        GentoolError: it is none of these.
    """

    def __init__(self, text: str) -> None:
        self.when, self.point, self.left = "", "", 0
        if text:
            when, _, rest = text.partition(":")
            point, _, count = rest.partition(":")
            if when not in WHEN or point not in POINTS or not count.isdigit() or int(count) < 1:
                raise GentoolError(
                    f"{VARIABLE} is WHEN:POINT:COUNT, such as after:COMMIT.json:2, not {text!r}; "
                    f"WHEN is {', '.join(WHEN)}, POINT {', '.join(POINTS)}"
                )
            self.when, self.point, self.left = when, point, int(count)

    def strike(self, when: str, name: str) -> None:
        """Die here, or fail, if this is the instant."""
        if (when, name) != (self.when, self.point):
            return
        self.left = max(0, self.left - 1)
        if self.left == 0:
            if when == "fail":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.kill(os.getpid(), signal.SIGKILL)


_fault: Fault | None = None


def arm(text: str) -> None:
    """Let this process meet a fault; empty for none."""
    global _fault
    _fault = Fault(text)


@contextmanager
def point(name: str) -> Iterator[Instant]:
    """An operation that a process may die before, in the middle of (where the block calls what it is given) or after, or that
    fails in its place."""
    if _fault is None:
        arm(os.environ.get(VARIABLE, ""))
    fault = _fault
    if fault is None or not fault.when:
        yield _nothing
        return
    fault.strike("before", name)
    fault.strike("fail", name)
    yield partial(fault.strike, "middle", name)
    fault.strike("after", name)


def _nothing() -> None:
    return
