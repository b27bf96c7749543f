"""StackedMNIST: three MNIST digits as red, green and blue; 1000 modes to cover (Metz et al., 2017; Srivastava et al., 2017).

x_0 = (digit_a, digit_b, digit_c) with a black margin,   uint8 [3, 32, 32];     y = 100 a + 10 b + c
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec, image_options
from .mnist import CITATION, LICENCE, SOURCE


@component
class StackedMNIST(Data):
    """Three MNIST digits as red, green and blue, 32 x 32: 1000 modes to cover."""

    licence: ClassVar[str] = LICENCE
    citation: ClassVar[str] = f"{CITATION}; Metz, Poole, Pfau, Sohl-Dickstein (2017), Unrolled GANs, arXiv:1611.02163"

    source: str = image_options.source(f"MNIST's {SOURCE}")
    split: str = opt("train", "which part of MNIST", choices=("train", "test"))
    size: int = opt(32, "side of the images that networks see; the digits' 28 get a black margin", ge=28, le=4096)
    images: int = opt(120_000, "images in an epoch", ge=1)
    seed: int = opt(0, "image i is a function of (seed, i)", ge=0)

    def spec(self) -> DataSpec:
        """Images `[3, size, size]` of 1000 classes, y = 100 a + 10 b + c."""
        return image_options.spec(self, self.size, 3, 1000)

    def files(self) -> tuple[str, ...]:
        """The folder, as given."""
        return (self.source,)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The digits in memory and the table of triples, 24 bytes an image."""
        from .idx_sets import stacked_set

        return stacked_set(self.source, self.split, self.size, self.images, self.seed)
