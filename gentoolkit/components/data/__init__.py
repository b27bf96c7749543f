"""Data sources: map-style sets of x_0, with what is known of them without opening them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from gentoolkit.registry import Component, Facts


@frozen(kw_only=True)
class DataSpec:
    """What a data set is, from its options alone; opening the files verifies it."""

    kind: str
    """`image` or `points`."""
    shape: tuple[int, ...]
    bounded: bool = True
    """Whether values lie in [-1, 1]; images do."""
    labels: int | None = None
    """Number of classes; None without labels."""
    mixture: Mapping[str, Any] | None = None
    """`means [K][D]`, `std`, `weights [K]` of a Gaussian mixture."""
    licence: str = "unknown"
    citation: str = ""


class Data(Component):
    """`build` opens the source and returns a map-style set: `len(set)`, `set[i] -> {"x_0": tensor[, "y": int][, more]}`.

    Images are uint8 `[C, H, W]` and become [-1, 1] on the device; points are float32 `[D]`. A set that changes an item at
    random (flips) also has `item(i, rng)`, where `rng` is a NumPy generator keyed by the sample's position in the run;
    `set[i]` is then the unchanged item. A set that lies in memory may have `items(indices) -> {"x_0": [n, *shape], ...}`,
    many at once. A set that decodes or reads images may have `fill(out, indices, rngs)` instead, which puts them into the array
    `out`, uint8 `[n, H, W, C]`, and returns what else they have; with `item`, each as its generator in `rngs` has it, else
    `rngs` is empty. Every set has `fingerprint() -> str`, the sha256 of what it holds; one with labels has
    `labels() -> int64 [n]`, all of them without opening an image, and `label_counts()`, how many there are of each.
    """

    slot: ClassVar[str] = "data"
    offers: ClassVar[tuple[str, ...]] = ("kind", "shape", "bounded", "labels", "tensors", "mixture", "data")
    licence: ClassVar[str] = "unknown"
    """Of a named set, as `gentool explain` shows it and `spec()` repeats it."""
    citation: ClassVar[str] = ""
    """Whom to cite for a named set."""

    def spec(self) -> DataSpec:
        """What the options say about the data."""
        raise TypeError(f"data {type(self).__name__} has no spec()")

    def files(self) -> tuple[str, ...]:
        """Paths or URLs that opening needs, for `gentool check --files`."""
        return ()

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """Kind, shape, range, labels and mixture."""
        s = self.spec()
        known = {"kind": s.kind, "shape": s.shape, "bounded": s.bounded, "labels": s.labels, "mixture": s.mixture}
        return {**known, "data": self.name}
