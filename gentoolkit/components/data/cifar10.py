"""CIFAR-10: 50 000 + 10 000 colour photographs of ten classes, 32 x 32.

x_0 = image,   uint8 [3, 32, 32];     y = airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck as 0..9
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec, image_options


@component
class CIFAR10(Data):
    """CIFAR-10 from the official python batches (folder or .tar.gz), or from a zip in StyleGAN's layout."""

    licence: ClassVar[str] = "none stated by the authors"
    citation: ClassVar[str] = "Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images"

    source: str = image_options.source(
        "folder of the official batches, cifar-10-python.tar.gz, or a zip, tar, parquet or packed file; a path or URL"
    )
    split: str = opt("train", "which part of the official batches", choices=("train", "test"))
    classes: int = opt(10, "10, or 0 to leave the labels aside", choices=(0, 10))
    flip: bool = image_options.flip()

    def spec(self) -> DataSpec:
        """Images `[3, 32, 32]` of ten classes."""
        return image_options.spec(self, 32, 3, self.classes)

    def files(self) -> tuple[str, ...]:
        """The source, as given."""
        return image_options.local(self.source)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The official batches in memory, 3 kB an image; of another file the list of its images."""
        from .cifar_set import cifar_set

        return cifar_set(self.source, self.split, self.classes, self.flip)
