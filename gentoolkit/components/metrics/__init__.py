"""Metrics: numbers about samples, each with the protocol under which it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Metric(Component):
    """`build` returns an object with `protocol: str` and `compute() -> {name: value}`, of one of three kinds. The protocol is
    whole once everything else has been called: it names the number of samples that were looked at.

    Over samples: `prepare(real)`, `see(samples)`, `add(seen)`; `real` is the opened data set, `samples` `[n, *shape]` in data
    range. Chunks of samples are dealt over processes. `see`, where the work is, says what there is to know of a chunk, NumPy
    arrays by name: a function of the real data and the chunk alone; it changes nothing. `add` takes in what was seen: only in
    the first process, for every chunk, in the order of chunks. So the numbers are the same, to the last bit, for any number of
    processes and restarts, and no metric has to merge states.

    Over features: `features`, what the option of this name built, `prepare(reference)` and `add(found)`, in the first process
    alone; `found` are the features of a chunk by name, and `reference` (a `Reference`) those of the real data: of its first
    `reference` samples in a fixed random order, of all of them where that attribute is None, and not needed where it is 0.
    Metrics over the same features share them.

    Over the model itself (speed): `measure(model, sampler, facts) -> {name: value}` in place of `prepare` to `compute`."""

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
