"""Stopping at a step that all processes agree on.

SIGTERM and SIGUSR1 raise a flag; the loop asks for the largest flag of all processes (on the CPU group, one step late, so
that nobody waits) and leaves after a committed checkpoint. A second signal leaves at once.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from .world import World

DONE, RESUMABLE, DIVERGED = 0, 75, 70
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Stop:
    """The stop flag of this process, and the agreement on it. A context: the handlers are restored on leaving."""

    def __init__(self, world: World) -> None:
        self.world, self.asked = world, False
        self._before: dict[int, Any] = {}
        self._pending: tuple[Any, torch.Tensor] | None = None

    def __enter__(self) -> Stop:
        for number in SIGNALS:
            try:
                self._before[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: a notebook or a server; then signals are not ours
                break
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.asked = True

    def agreed(self) -> bool:
        """Whether all processes stop after this step; called once per step by all."""
        if self.world.size == 1:
            return self.asked
        stop = False
        if self._pending is not None:
            work, flag = self._pending
            work.wait()
            stop = bool(flag)
        flag = torch.tensor(int(self.asked))
        self._pending = (dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=self.world.flags, async_op=True), flag)
        if stop:
            self._pending[0].wait()
        return stop
