"""What metrics over features that compare sample with sample begin with: the rows of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentoolkit.components.features.reference import Reference

from .distances import enough


class Gathered:
    """Rows of the real data and of the samples.

    Args:
        name: how the protocol begins.
        features: the built features.
        data: name of the real data.
        reference: real samples that are wanted; None for all.
        k: neighbours that are asked for.
    """

    def __init__(self, name: str, features: Any, data: str, reference: int | None, k: int) -> None:
        self.name, self.features, self.data, self.reference, self.k = name, features, data, reference, k
        self._rows: list[NDArray[np.float32]] = []
        self._real: Reference | None = None

    @property
    def protocol(self) -> str:
        """Neighbours, features, the real data and how many, number of samples."""
        real = "unprepared" if self._real is None else self._real.key
        return f"{self.name}/k-{self.k}/{self.features.key}/{self.data}-{real}/{sum(map(len, self._rows))}"

    def prepare(self, reference: Reference) -> None:
        """Keep the real rows.

        Raises:
            GentoolError: there are too few.
        """
        enough(len(reference["features"]), self.k + 1, "real samples")
        self._real = reference

    def add(self, found: Mapping[str, NDArray[np.float32]]) -> None:
        """Take in the rows of a chunk."""
        self._rows.append(found["features"])

    def sides(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(samples `[M, d]`, real `[N, d]`); a row that is not finite lies where no other does, very far off.

        Raises:
            GentoolError: there are too few samples.
        """
        assert self._real is not None, "prepare(reference) comes first"
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, 1), np.float32)
        enough(len(rows), self.k + 1, "samples")
        return np.nan_to_num(rows, nan=1e6, posinf=1e6, neginf=-1e6), self._real["features"]
