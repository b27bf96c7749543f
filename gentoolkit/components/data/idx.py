"""MNIST's idx files: a big-endian header, then raw bytes (LeCun, Cortes, Burges; also Fashion-MNIST, EMNIST, KMNIST).

images   00 00 08 03 | n | H | W | n·H·W bytes          labels   00 00 08 01 | n | n bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec


@component
class Idx(Data):
    """MNIST, Fashion-MNIST and other grey images in idx files, packed or not."""

    licence: ClassVar[str] = "that of the files; `mnist` and `fashion-mnist` name theirs"

    source: str = opt(help="folder with the four files, or the file of the images; a path or any fsspec URL", path=True)
    split: str = opt("train", "which part of a folder", choices=("train", "test"))
    size: int = opt(28, "side of the images that networks see; smaller ones get a black margin", ge=1, le=4096)
    classes: int = opt(10, "number of classes; 0 leaves the labels aside", ge=0)
    flip: bool = opt(False, "mirror left to right at random; not for digits")

    def spec(self) -> DataSpec:
        """Images `[1, size, size]`."""
        return DataSpec(kind="image", shape=(1, self.size, self.size), labels=self.classes or None, licence=self.licence)

    def files(self) -> tuple[str, ...]:
        """The source, as given."""
        return (self.source,)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """All images in memory, size² bytes each."""
        from .arrays import Flipped, ImageArrays
        from .idx_files import open_idx, padded

        images, labels = open_idx(self.source, self.split, self.classes or None)
        arrays = ImageArrays(padded(images, self.size, self.source), labels)
        return Flipped(arrays) if self.flip else arrays
