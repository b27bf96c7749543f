"""Handwritten digits that come with scikit-learn: 1797 real 8 x 8 scans, values 0..16 (UCI, test part of optdigits).

x_0 = round(255 v / 16),   uint8 [1, 8, 8];     stacked: three of them as red, green, blue, y = 100 r + 10 g + b
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec

LICENCE = "CC-BY-4.0"
CITATION = "Alpaydin, Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49"


@component
class Digits(Data):
    """scikit-learn's 1797 scanned digits, 8 x 8 grey: real images without a download."""

    licence: ClassVar[str] = LICENCE
    citation: ClassVar[str] = CITATION

    def spec(self) -> DataSpec:
        """Images `[1, 8, 8]` of ten classes."""
        return DataSpec(kind="image", shape=(1, 8, 8), labels=10, licence=LICENCE, citation=CITATION)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """All images in memory, 115 kB."""
        from .arrays import ImageArrays
        from .drawn import digit_arrays

        return ImageArrays(*digit_arrays())


@component
class StackedDigits(Data):
    """Three digits as red, green and blue: 1000 modes to cover, without a download (after StackedMNIST)."""

    licence: ClassVar[str] = LICENCE
    citation: ClassVar[str] = CITATION

    size: int = opt(60_000, "images in an epoch", ge=1)
    seed: int = opt(0, "image i is a function of (seed, i)", ge=0)

    def spec(self) -> DataSpec:
        """Images `[3, 8, 8]` of 1000 classes, y = 100 r + 10 g + b."""
        return DataSpec(kind="image", shape=(3, 8, 8), labels=1000, licence=LICENCE, citation=CITATION)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The digits and the table of triples, 24 bytes an image."""
        from .drawn import StackedArrays, digit_arrays

        return StackedArrays(*digit_arrays(), self.size, self.seed)
