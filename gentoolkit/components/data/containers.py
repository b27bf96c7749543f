"""A container: images under names in a fixed order, each read on its own when it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Content = bytes | NDArray[np.uint8]
"""An encoded image file, or pixels `[H, W, C]`."""


class Container(Protocol):
    """What every kind of source looks like to those who decode it; safe to be read from several processes."""

    @property
    def source(self) -> str:
        """As it was given."""

    @property
    def use(self) -> str:
        """The data component that reads it."""

    @property
    def names(self) -> Sequence[str]:
        """Of its images, in order."""

    @property
    def refused(self) -> Sequence[tuple[str, str]]:
        """(name, reason) of members that are not even looked into."""

    def where(self, name: str) -> str:
        """A member in a message."""

    def read(self, i: int) -> Content:
        """Member i.

        Raises:
            UnusableError: it cannot be read.
        """

    def marks(self) -> Iterable[bytes]:
        """What is known of each member's content without reading it: its size, its checksum."""

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """Classes of all members `[n]`; with None, however many there are.

        Raises:
            GentoolError: there are none, or they do not fit.
        """


def fingerprint(container: Container, *more: object, first: int | None = None) -> str:
    """sha256 of the names and marks of the first so many members, or all, and of whatever else; content is not read."""
    names = container.names if first is None else container.names[:first]
    digest = hashlib.sha256(f"{len(names)} {more} ".encode())
    for name, mark in zip(names, container.marks(), strict=False):
        digest.update(os.fsencode(name) + b"\0" + mark + b"\0")
    return digest.hexdigest()
