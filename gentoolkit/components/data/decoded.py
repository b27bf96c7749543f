"""A set of images out of any container, decoded when asked for.

An image that cannot be used has a name and a reason: it stops the run, or the next one in order takes its place.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .containers import Container, fingerprint
from .decoding import Decoding, UnusableError, pixels_of

TRIES = 100
"""Images in a row that may be unusable before the source is given up."""
LOOKED_AT = 16
"""Images that are decoded when the source is opened, spread over it."""


class DecodedSet:
    """Images of a container, `x_0` uint8 `[C, H, W]`, with the class `y` if `classes` > 0; the first `images` of them, or all.

    Raises:
        GentoolError: there is no image, or fewer than `images`; the classes do not fit; or (with `skip` false) a member
            cannot be used.
    """

    def __init__(self, container: Container, decoding: Decoding, classes: int = 0, skip: bool = False, images: int = 0) -> None:
        self.container, self.decoding, self.skip = container, decoding, skip
        self.bad: dict[str, str] = {}
        """Why members were passed over, by name; what this process has met so far."""
        for name, reason in container.refused:
            self._pass_over(name, reason)
        found = len(container.names)
        if images > found:
            raise GentoolError(f"{container.source} holds {found} images; write images = {found} or fewer in [data]")
        if not found:
            raise GentoolError(f"{container.source} holds no image")
        self._length = images or found
        self._labels = container.labels(classes)[: self._length] if classes else None
        stored = getattr(container, "shape", (0, None))[1:] == (*decoding.sides, decoding.channels)
        self._stored: Any = container if stored else None
        """The container itself if its images need no more than to be read."""
        for i in np.unique(np.linspace(0, len(self) - 1, LOOKED_AT).astype(int)):
            self[int(i)]

    @property
    def names(self) -> Sequence[str]:
        """The members' names, in order."""
        return self.container.names[: self._length]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> dict[str, Any]:
        pixels, j = self._pixels(i)
        item: dict[str, Any] = {"x_0": torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))}
        if self._labels is not None:
            item["y"] = int(self._labels[j])
        return item

    def fill(
        self, out: NDArray[np.uint8], indices: NDArray[np.int64], rngs: Sequence[np.random.Generator] = ()
    ) -> dict[str, Any]:
        """Put many images into `out` `[n, H, W, C]`; what else they have."""
        used = indices.copy()
        for k, i in enumerate(indices.tolist()):
            if self._stored is None or not self._stored.read_into(out[k], i):
                out[k], used[k] = self._pixels(i)
        return {} if self._labels is None else {"y": self._labels[used]}

    def _pixels(self, i: int) -> tuple[NDArray[np.uint8], int]:
        for j in range(i, i + min(TRIES, len(self))):
            j %= len(self)
            try:
                return pixels_of(self.container.read(j), self.decoding), j
            except UnusableError as error:
                self._pass_over(self.container.names[j], str(error))
        tried = min(TRIES, len(self))
        first = self.container.names[i]
        raise GentoolError(f"{self.container.source}: {tried} images in a row cannot be used, {first} the first of them")

    def labels(self) -> NDArray[np.int64] | None:
        """The class of every image, `[n]`; None without classes."""
        return self._labels

    def label_counts(self) -> NDArray[np.int64]:
        """Images of each class, of a source that is read with classes."""
        assert self._labels is not None
        return np.bincount(self._labels)

    def fingerprint(self) -> str:
        """sha256 of names, sizes or checksums, classes, and how images are decoded; their content is not read."""
        labels = None if self._labels is None else hashlib.sha256(self._labels.astype("<i8").tobytes()).hexdigest()
        return fingerprint(self.container, str(self.decoding), labels, first=len(self))

    def _pass_over(self, name: str, reason: str) -> None:
        where = self.container.where(name)
        if not self.skip:
            raise GentoolError(f'{where} {reason}\nor write on_error = "skip" in [data] to pass over such images')
        if name not in self.bad:
            self.bad[name] = reason
            warnings.warn(f"{where} is passed over: it {reason} ({len(self.bad)} so far)", stacklevel=2)
