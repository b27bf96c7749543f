"""What metrics over features compare with: the features of the real data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Rows that are taken to float64 at once."""


class Reference:
    """Features of real samples, by name.

    Args:
        key: which samples they are of: the data, its fingerprint, how many.
        arrays: `[N, d]` by name; may lie in files.
    """

    def __init__(self, key: str, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self.key, self.arrays = key, arrays

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self.arrays[name]

    def __deepcopy__(self, memo: Any) -> Reference:
        """Itself: it is large, and nothing changes it."""
        return self

    def statistics(self, name: str = "features") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(mean `[d]`, unbiased covariance `[d, d]`)."""
        return moments(self.arrays[name])


def moments(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean `[d]`, unbiased covariance `[d, d]`) of rows `[n, d]`, in float64, by blocks."""
    mean: NDArray[np.float64] = np.asarray(rows.mean(axis=0, dtype=np.float64))
    sums = np.zeros((rows.shape[1], rows.shape[1]))
    for first in range(0, len(rows), BLOCK):
        apart = rows[first : first + BLOCK].astype(np.float64) - mean
        sums += apart.T @ apart
    return mean, sums / max(len(rows) - 1, 1)
