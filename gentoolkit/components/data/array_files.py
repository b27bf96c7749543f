"""Images that lie in memory, as a container: MNIST's idx files and CIFAR-10's batches."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .packed_files import Numbers


class ArrayFiles:
    """Images uint8 `[n, C, H, W]` with classes `[n]` or none."""

    def __init__(self, source: str, use: str, images: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> None:
        self.source, self.use = source, use
        self.refused: list[tuple[str, str]] = []
        self._images, self._labels = images, labels
        self.names = Numbers(range(len(images)))

    def where(self, name: str) -> str:
        """An image in a message: the source and its number."""
        return f"{self.source}: image {name}"

    def read(self, i: int) -> NDArray[np.uint8]:
        """Image i, `[H, W, C]`."""
        image: NDArray[np.uint8] = self._images[i].transpose(1, 2, 0)
        return image

    def marks(self) -> Iterator[bytes]:
        """One: the sha256 of all pixels."""
        yield sha256(np.ascontiguousarray(self._images).data).digest()

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """The classes."""
        if self._labels is None:
            raise GentoolError(f"{self.source} has no labels beside it; pack without classes")
        if classes is not None and (most := int(self._labels.max())) >= classes:
            raise GentoolError(f"{self.source} has the label {most}, so there are at least {most + 1} classes")
        return self._labels
