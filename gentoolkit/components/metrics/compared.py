"""The working half of metrics that compare all features of the samples with those of the real data, once they are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentoolkit.components.features.reference import Reference

Compare = Callable[[NDArray[np.float32], Reference], dict[str, float]]


class Compared:
    """Keeps features, and compares them at the end.

    Args:
        name: of the metric, and what its numbers depend on, for the protocol.
        features: what takes the features.
        reference: real samples that are compared with; None for all.
        data: name of the data.
        compare: (features `[n, d]`, the reference) -> numbers by name.
        array: which of the arrays that `features` gives.
    """

    def __init__(
        self, name: str, features: Any, reference: int | None, data: str, compare: Compare, array: str = "features"
    ) -> None:
        self.name, self.features, self.reference, self.data = name, features, reference, data
        self.compare, self.array = compare, array
        self.rows: list[NDArray[np.float32]] = []
        self.real = Reference("nothing", {})

    @property
    def protocol(self) -> str:
        """Name, features, number of samples, real data with its fingerprint and number."""
        return f"{self.name}/{self.features.key}/{sum(map(len, self.rows))}/{self.data}-{self.real.key}"

    def prepare(self, reference: Reference) -> None:
        """Take the features of the real data."""
        self.real = reference

    def add(self, found: Mapping[str, NDArray[np.float32]]) -> None:
        """Take the features of a chunk."""
        self.rows.append(found[self.array])

    def compute(self) -> dict[str, float]:
        """What the comparison gives."""
        return self.compare(np.concatenate(self.rows), self.real)
