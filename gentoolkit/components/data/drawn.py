"""Sets whose item i is drawn: four 64-bit words of Philox block i under the key `seed` decide it.

Philox is counter-based (Salmon et al., 2011), so item i depends neither on the size of the set nor on the process that
asks for it, and words of many items come in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .arrays import sha256_of


def words(seed: int, n: int) -> NDArray[np.uint64]:
    """Four independent uniform 64-bit words for each of n items, `[n, 4]`; row i is a function of (seed, i)."""
    return np.random.Philox(key=seed).random_raw(4 * n).reshape(n, 4)


def uniform(w: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Words as numbers in [0, 1) with 53 bits."""
    return (w >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Points:
    """Points float32 `[n, D]`."""

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._points = torch.from_numpy(points)

    def __len__(self) -> int:
        return len(self._points)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"x_0": self._points[i]}

    def items(self, indices: NDArray[np.int64]) -> dict[str, Any]:
        """Many points at once."""
        return {"x_0": self._points[torch.from_numpy(indices)]}

    def fingerprint(self) -> str:
        """sha256 of the points."""
        return sha256_of(self._points.numpy())


def mixture_points(means: Sequence[Sequence[float]], std: float, weights: Sequence[float], n: int, seed: int) -> Points:
    """n points of a mixture of isotropic Gaussians in the plane: word 0 picks the mode, words 1 and 2 are Box and Muller's."""
    w = words(seed, n)
    mode = np.searchsorted(np.cumsum(weights)[:-1], uniform(w[:, 0]), side="right")
    radius, angle = np.sqrt(-2 * np.log1p(-uniform(w[:, 1]))), 2 * np.pi * uniform(w[:, 2])
    noise = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Points((np.asarray(means)[mode] + std * noise).astype(np.float32))


def digit_arrays() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """scikit-learn's digits: images uint8 `[1797, 1, 8, 8]` and classes `[1797]`."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None], digits.target.astype(np.int64)


class StackedArrays:
    """Three grey images drawn with replacement as the channels of one: uint8 `[3, H, W]`, y = 100 r + 10 g + b."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], size: int, seed: int) -> None:
        self._images = torch.from_numpy(images[:, 0])
        triples = (words(seed, size)[:, :3] % np.uint64(len(images))).astype(np.int64)
        self._triples = torch.from_numpy(triples)
        self._labels: NDArray[np.int64] = labels[triples] @ np.array([100, 10, 1])

    def __len__(self) -> int:
        return len(self._triples)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"x_0": self._images[self._triples[i]], "y": int(self._labels[i])}

    def items(self, indices: NDArray[np.int64]) -> dict[str, Any]:
        """Many images at once."""
        return {"x_0": self._images[self._triples[torch.from_numpy(indices)]], "y": self._labels[indices]}

    def labels(self) -> NDArray[np.int64]:
        """All classes, `[n]`."""
        return self._labels

    def label_counts(self) -> NDArray[np.int64]:
        """Items of each of the 1000 classes."""
        return np.bincount(self._labels, minlength=1000)

    def fingerprint(self) -> str:
        """sha256 of the digits and the triples."""
        return sha256_of(self._images.numpy(), self._triples.numpy())
