"""What a line of the log says besides losses: how fast, how well the device is used, and where the time goes.

rate               samples per second of the whole run, over all the time since the line before
mfu                share of the devices' peak in those seconds: operations of an average step / (seconds * peak)
goodput            share of the time since the run's first start that went into steps that counted
peak_memory_mib    of the device, or of the process where that is the CPU
seconds_...        since the line before: training, and what is no training: data, compiling, saving, sampling, evaluating

Only the clock is read, and the device is never waited for: on a GPU the clock of an activity that waits for it (sampling) also
holds what was queued before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from gentoolkit.components.metrics.timing import peak_memory

OTHER = ("data", "compiling", "saving", "sampling", "evaluating")
"""What the time of a run goes into besides training; `data` is waiting for the next batch."""

TRAINING = "seconds_training"


class Meters:
    """The meters of one process of a run.

    Args:
        batch: samples per step over all processes.
        start: the step that this process starts at.
        device: whose memory is looked at.
        flops: operations of an average optimisation step over the global batch, where they were counted.
        peak: operations per second of all devices together, where that is known.
        counted: seconds of training in the steps up to `start`, by earlier processes.
        began: when the run was started first, in seconds since 1970; now unless given.
    """

    def __init__(
        self,
        batch: int,
        start: int,
        device: torch.device,
        flops: float | None = None,
        peak: float | None = None,
        counted: float = 0.0,
        began: float | None = None,
    ) -> None:
        self.batch, self.device, self.flops, self.peak, self.counted = batch, device, flops, peak, counted
        self._age = max(0.0, time.time() - began) if began is not None else 0.0
        self._born = self._last = time.monotonic()
        self._step = start
        self._spent = dict.fromkeys(OTHER, 0.0)
        self._memory = 0.0

    @contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """While the block runs, time goes into `what`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._spent[what] += time.monotonic() - started

    def rewind(self, step: int, counted: float) -> None:
        """The run goes on after `step`, up to which `counted` seconds of training were worth it."""
        self._step, self.counted = step, counted

    def read(self, step: int) -> dict[str, float]:
        """The numbers of the log line after `step` steps; the clocks of a line start anew."""
        now = time.monotonic()
        seconds, steps = max(now - self._last, 1e-9), step - self._step
        training = max(0.0, seconds - sum(self._spent.values()))
        self.counted += training
        line = {"rate": steps * self.batch / seconds}
        if self.flops is not None and self.peak is not None:
            line["mfu"] = steps * self.flops / (seconds * self.peak)
        line["goodput"] = min(1.0, self.counted / max(self._age + now - self._born, 1e-9))
        if (memory := peak_memory(self.device)) is not None:
            self._memory = max(self._memory, memory)  # whoever measures memory in between begins anew
            line["peak_memory_mib"] = self._memory
        line[TRAINING] = training
        line.update({f"seconds_{what}": spent for what, spent in self._spent.items()})
        self._last, self._step, self._spent = now, step, dict.fromkeys(OTHER, 0.0)
        return line


def counted_seconds(lines: Iterable[Mapping[str, Any]]) -> float:
    """Seconds of training that a log tells of; steps that were lost and taken again are in it once, as their lines are."""
    found = (line.get(TRAINING) for line in lines)
    return math.fsum(value for value in found if isinstance(value, float) and math.isfinite(value))
