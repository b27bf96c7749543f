"""What a sample costs: time per batch, evaluations of the network, parameters, memory (the third corner of the trilemma).

ms per batch: median and quartiles of `repeats` timed draws after `warmup` untimed ones, the device idle before and after
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.registry import Facts, component, opt

from . import Metric


@component
class Speed(Metric):
    """Sampling time for batches of 1 and 100, evaluations, parameters and peak memory."""

    batches: tuple[int, ...] = opt((1, 100), "batch sizes that are timed", ge=1)
    warmup: int = opt(3, "draws before the clock runs", ge=1)
    repeats: int = opt(10, "draws that are timed", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The stopwatch."""
        from .timing import Stopwatch

        return Stopwatch(self.batches, self.warmup, self.repeats)
