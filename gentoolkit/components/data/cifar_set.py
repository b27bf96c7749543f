"""CIFAR-10's batches, or a container of one split of it, as a set."""

from __future__ import annotations

from typing import Any

from gentoolkit.registry import GentoolError

from .arrays import Flipped, ImageArrays
from .cifar_files import open_cifar
from .decoded import DecodedSet
from .decoding import Decoding
from .opening import is_official, open_container


def cifar_set(source: str, split: str, classes: int, flip: bool) -> Any:
    """The images of a split, with labels if `classes` is 10.

    Raises:
        GentoolError: the source is damaged, of another size, or holds one split while the other is asked for.
    """
    if is_official(source):
        images, labels = open_cifar(source, split)
        found: Any = ImageArrays(images, labels if classes else None)
    else:
        if split != "train":
            raise GentoolError(
                f'{source} holds one split; name the file of the other one as source, and leave split = "{split}" out'
            )
        found = DecodedSet(open_container(source), Decoding((32, 32), 3, "none"), classes)
    return Flipped(found) if flip else found
