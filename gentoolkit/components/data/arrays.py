"""Sets that lie in memory: `x_0 = images[i]`, uint8 `[n, C, H, W]`; and the random flip that any set of images may have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class ImageArrays:
    """Images uint8 `[n, C, H, W]`, with classes int64 `[n]` or none."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> None:
        self._images = torch.from_numpy(images)
        self._labels = labels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> dict[str, Any]:
        item: dict[str, Any] = {"x_0": self._images[i]}
        if self._labels is not None:
            item["y"] = int(self._labels[i])
        return item

    def items(self, indices: NDArray[np.int64]) -> dict[str, Any]:
        """Many images at once."""
        batch: dict[str, Any] = {"x_0": self._images[torch.from_numpy(indices)]}
        return batch if self._labels is None else {**batch, "y": self._labels[indices]}

    def labels(self) -> NDArray[np.int64] | None:
        """All classes, `[n]`; None where there are none."""
        return self._labels

    def label_counts(self) -> NDArray[np.int64]:
        """Items of each class, of a set that has classes."""
        assert self._labels is not None
        return np.bincount(self._labels)

    def fingerprint(self) -> str:
        """sha256 of shape, pixels and classes."""
        return sha256_of(self._images.numpy(), self._labels)


class Flipped:
    """A set of images whose `item(i, rng)` is mirrored left to right with probability one half."""

    def __init__(self, images: Any) -> None:
        self._set = images

    def __len__(self) -> int:
        return len(self._set)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self._set[i]  # type: ignore[no-any-return]

    def item(self, i: int, rng: np.random.Generator) -> dict[str, Any]:
        """Item i as the sample with generator `rng` sees it."""
        item = self._set[i]
        return {**item, "x_0": item["x_0"].flip(-1)} if rng.random() < 0.5 else item

    @property
    def fill(self) -> Any:
        """Many items at once into an array, where the set has that."""
        return partial(self._fill, self._set.fill)

    def _fill(
        self, fill: Any, out: NDArray[np.uint8], indices: NDArray[np.int64], rngs: Sequence[np.random.Generator]
    ) -> dict[str, Any]:
        rest: dict[str, Any] = fill(out, indices)
        images = torch.from_numpy(out).permute(0, 3, 1, 2)  # torch mirrors pixels of three bytes 20 times faster than NumPy
        for k, rng in enumerate(rngs):
            if rng.random() < 0.5:
                images[k : k + 1].copy_(images[k : k + 1].flip(-1))
        return rest

    def labels(self) -> NDArray[np.int64] | None:
        """All classes, `[n]`; None where there are none."""
        return self._set.labels()  # type: ignore[no-any-return]

    def label_counts(self) -> NDArray[np.int64]:
        """Items of each class, of a set that has classes."""
        return self._set.label_counts()  # type: ignore[no-any-return]

    def fingerprint(self) -> str:
        """That of the unflipped images: references are measured on those."""
        return self._set.fingerprint()  # type: ignore[no-any-return]


def sha256_of(*arrays: NDArray[Any] | None) -> str:
    """sha256 over dtype, shape and bytes of arrays; None counts as an absent one."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.dtype.str}{array.shape}".encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
