"""MNIST and Fashion-MNIST by name, from the four idx files each comes in.

x_0 = image with a black margin,   uint8 [1, size, size];     y = 0..9
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec, image_options

LICENCE = "none stated by the authors; often given as CC-BY-SA-3.0"
CITATION = "LeCun, Bottou, Bengio, Haffner (1998), Gradient-Based Learning Applied to Document Recognition"
SOURCE = "folder with the four idx files, packed or not; a path or any fsspec URL"


@component
class MNIST(Data):
    """MNIST's 60 000 + 10 000 handwritten digits, 28 x 28 grey."""

    licence: ClassVar[str] = LICENCE
    citation: ClassVar[str] = CITATION

    source: str = image_options.source(SOURCE)
    split: str = opt("train", "which part", choices=("train", "test"))
    size: int = opt(28, "side of the images that networks see; beyond 28 they get a black margin", ge=28, le=4096)
    classes: int = opt(10, "10, or 0 to leave the labels aside", choices=(0, 10))

    def spec(self) -> DataSpec:
        """Images `[1, size, size]` of ten classes."""
        return image_options.spec(self, self.size, 1, self.classes)

    def files(self) -> tuple[str, ...]:
        """The folder, as given."""
        return (self.source,)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """All images in memory, size² bytes each."""
        from .idx_sets import named_set

        return named_set("mnist", self.source, self.split, self.size, self.classes)


@component
class FashionMNIST(Data):
    """Fashion-MNIST's 60 000 + 10 000 pieces of clothing, 28 x 28 grey."""

    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str] = "Xiao, Rasul, Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747"

    source: str = image_options.source(SOURCE)
    split: str = opt("train", "which part", choices=("train", "test"))
    size: int = opt(28, "side of the images that networks see; beyond 28 they get a black margin", ge=28, le=4096)
    classes: int = opt(10, "10, or 0 to leave the labels aside", choices=(0, 10))
    flip: bool = image_options.flip()

    def spec(self) -> DataSpec:
        """Images `[1, size, size]` of ten classes."""
        return image_options.spec(self, self.size, 1, self.classes)

    def files(self) -> tuple[str, ...]:
        """The folder, as given."""
        return (self.source,)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """All images in memory, size² bytes each."""
        from .arrays import Flipped
        from .idx_sets import named_set

        images = named_set("fashion-mnist", self.source, self.split, self.size, self.classes)
        return Flipped(images) if self.flip else images
