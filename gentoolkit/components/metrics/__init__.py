"""Metrics: numbers about samples, each with the protocol under which it was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Metric(Component):
    """`build` returns an object with `prepare(real)`, `update(samples)`, `merge(other)`, `compute() -> {name: value}` and
    `protocol: str`; `real` is the opened data set, `samples` `[n, *shape]` in data range. One that looks at the model
    itself (speed) has `measure(model, sampler, facts) -> {name: value}` instead of the first four. The protocol is whole
    once everything else has been called: it names the number of samples that were seen."""

    slot: ClassVar[str] = "metric"

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    samples: int = 0
    """Samples that it is measured on; 0 where it looks at the model itself. Metrics over samples make it an option."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The kind of data against what the metric measures."""
        if facts.kind not in self.kinds:
            yield (
                "use",
                f"it measures {' and '.join(self.kinds)}; data '{facts.data}' gives {facts.kind} of shape {facts.shape}",
            )
