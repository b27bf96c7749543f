"""Gradients that are not finite: what is held back on the device, and what the run does about it.

An update whose gradient is not finite is never taken. Nothing waits to find out: a flag on the device holds back the
optimizer, the averages and everything else that learns, and the host reads it with the log.

    stop     every later update is held back too, until the loop has seen the flag and leaves
    skip     that update is left out and counted; one more than `max_non_finite` is a stop
    rewind   as stop, but the loop goes back to the newest checkpoint; from there to the step that failed, data and noise are
             those of another draw, whose number goes into their key

Both counts lie in checkpoints, so that a resumed run is the one that was not interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.components.methods import Update
from gentoolkit.registry import GentoolError

from .processes.stopping import DIVERGED
from .processes.world import World

DUMPS = "dumps"
"""Folder, in a run's, of the weights before steps that failed, as checkpoints."""


class Diverged(GentoolError):
    """A gradient was not finite; the weights are those before it."""

    exit_code = DIVERGED


@frozen
class Event:
    """The first update since the last line of the log whose gradient was not finite."""

    step: int
    """As the log counts: the first step of a run is 1."""
    update: str
    repeat: int
    times: int
    """How many there were since the last line, where they are left out; 1 where the first one stops everything."""


class Rewind(Exception):
    """The run is to go back to its newest checkpoint."""

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self.event = event


class Guard:
    """What looks at each gradient, on the device.

    Args:
        how: `stop`, `skip` or `rewind`.
        most: updates that may be left out, or rewinds, in the whole run.
        world: this process.
    """

    def __init__(self, how: str, most: int, world: World) -> None:
        self.how, self.most, self.world = how, most, world
        self.skipped = 0
        """Updates that were left out, up to the last line of the log."""
        self.redrawn: list[tuple[int, int]] = []
        """Of each rewind, the steps that were drawn anew: first and last, 0 is the first."""
        self._count = torch.zeros((), dtype=torch.int64, device=world.device)
        self._held = torch.zeros((), dtype=torch.bool, device=world.device)
        self._first = torch.full((), -1, dtype=torch.int64, device=world.device)
        self._judged: list[tuple[int, str, int]] = []
        self._step, self._now = -1, {}  # type: tuple[int, dict[str, Tensor]]
        self._coming: tuple[int, Update, int] | None = None

    def comes(self, step: int, update: Update, repeat: int) -> None:
        """Name the update whose gradient is judged next."""
        if step != self._step:
            self._step, self._now = step, {}
        self._coming = (step, update, repeat)

    @torch.no_grad()
    def judge(self, norm: Tensor) -> Tensor:
        """Whether the update is held back, a flag on the device.

        Args:
            norm: of its gradient, over all processes.
        """
        assert self._coming is not None
        step, update, repeat = self._coming
        bad = torch.isfinite(norm).logical_not_()
        self._first = torch.where(bad & (self._first < 0), len(self._judged), self._first)
        self._judged.append((step, update.name, repeat))
        if self.how == "skip":
            self._count += bad
            self._held = self._count > self.most
            held = bad | self._held
        else:
            self._held = held = self._held | bad
        for net in update.trains:
            self._now[net] = self._now[net] | held if net in self._now else held
        return held

    def held(self, net: str) -> Tensor | None:
        """Whether what follows this net must not follow it in the step that is being taken; None where nothing trained it."""
        return self._now.get(net)

    def again(self, step: int) -> int:
        """How often the data and noise of a step have been drawn anew; 0 is the first time."""
        return sum(first <= step <= last for first, last in self.redrawn)

    def redraw(self, step: int) -> tuple[Any, ...]:
        """What goes into the key of a step's noise."""
        again = self.again(step)
        return ("again", again) if again else ()

    def read(self) -> Event | None:
        """What happened since this was last read. Waits for the device; all processes must call it."""
        first, count = torch.stack([self._first, self._count]).tolist()
        first = self.world.agree(first)
        judged, times = self._judged, count - self.skipped
        self._judged, self.skipped = [], count
        self._first.fill_(-1)
        if first < 0:
            return None
        step, update, repeat = judged[first]
        return Event(step + 1, update, repeat, times if self.how == "skip" else 1)

    @property
    def exhausted(self) -> bool:
        """Whether another event ends the run."""
        return self.how == "stop" or (self.skipped > self.most if self.how == "skip" else len(self.redrawn) >= self.most)

    def rewound(self, start: int, event: Event, before: list[tuple[int, int]]) -> None:
        """The run goes on from `start` done steps; those up to the one that failed are drawn anew, and so are those of earlier
        rewinds (`before`), which the checkpoint may not know of."""
        self.redrawn = [*before, (start, event.step - 1)]
        self._held = torch.zeros_like(self._held)

    def logs(self) -> dict[str, float]:
        """What goes into a line of the log."""
        counts = {"skipped": self.skipped, "rewinds": len(self.redrawn)}
        return {name: float(count) for name, count in counts.items() if count}

    def state(self) -> dict[str, Any]:
        """What a checkpoint's commit records; as of the last `read`."""
        return {"skipped": self.skipped, "redrawn": self.redrawn}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what a commit recorded."""
        self.skipped = int(state.get("skipped", 0))
        self._count.fill_(self.skipped)
        self.redrawn = [(int(first), int(last)) for first, last in state.get("redrawn", ())]

    def describe(self, event: Event, folder: Path, culprits: Iterable[str], precision: str) -> str:
        """What is said of an event."""
        where = f"step {event.step} (update {event.update}: {', '.join(culprits)})"
        look = f"gentool replay {folder} --step {event.step}"
        if not self.exhausted and self.how == "skip":
            more = f", and {event.times - 1} more since the last line of the log" if event.times > 1 else ""
            return (
                f"a gradient was not finite in {where}{more}; what it would have updated was left out "
                f"({self.skipped} of at most {self.most}). To look: {look}"
            )
        if not self.exhausted:
            return (
                f"a gradient was not finite in {where}; going back to the newest checkpoint, with other data and noise up to "
                f"that step ({len(self.redrawn) + 1} of at most {self.most} times). To look: {look}"
            )
        spent = {
            "stop": "",
            "skip": f" once more than training.max_non_finite = {self.most} allows,",
            "rewind": f" again after {len(self.redrawn)} rewinds",
        }
        return (
            f"a gradient was not finite{spent[self.how]} in {where}; no weights were changed by it and none are saved after "
            f"it. To look: {look}. To go on, lower the learning rate, set training.clip"
            + (", use precision fp32" if precision == "bf16" else "")
            + (', or set training.non_finite = "skip"' if self.how == "stop" else ", or raise training.max_non_finite")
        )


def not_finite(means: Mapping[str, Any]) -> list[str]:
    """Names of the numbers of a log line that are not finite."""
    return [name for name, value in means.items() if isinstance(value, float) and not math.isfinite(value)]
