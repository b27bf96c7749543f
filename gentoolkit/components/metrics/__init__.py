"""Metrics: numbers about samples, each with the protocol under which it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Metric(Component):
    """`build` returns an object with `prepare(real)`, `see(samples)`, `add(seen)`, `compute() -> {name: value}` and
    `protocol: str`; `real` is the opened data set, `samples` `[n, *shape]` in data range. The protocol is whole once
    everything else has been called: it names the number of samples that were seen.

    Chunks of samples are dealt over processes. `see`, where the work is (features, counts), says what there is to know of
    a chunk: something that can be pickled, a function of the real data and the chunk alone; it changes nothing. `add` takes
    in what was seen: only in the first process, for every chunk, in the order of chunks. So the numbers are the same, to the
    last bit, for any number of processes, and no metric has to merge states.

    One that looks at the model itself (speed) has `measure(model, sampler, facts) -> {name: value}` instead of the first
    four."""

    slot: ClassVar[str] = "metric"

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    better: ClassVar[Mapping[str, str]] = {}
    """`higher` or `lower` for those of its values by which a best checkpoint can be kept."""
    samples: int = 0
    """Samples that it is measured on; 0 where it looks at the model itself. Metrics over samples make it an option."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The kind of data against what the metric measures."""
        if facts.kind not in self.kinds:
            yield (
                "use",
                f"it measures {' and '.join(self.kinds)}; data '{facts.data}' gives {facts.kind} of shape {facts.shape}",
            )
