"""LSUN Church Outdoor: 126 227 photographs, of which the first 120 000 in the order of their keys are trained on.

x_0 = resize(crop(image)),   uint8 [3, size, size];     the paper's is 256, which LSUN's shorter side has: a crop alone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component

from . import Data, DataSpec, image_options


@component
class LSUNChurch(Data):
    """LSUN's outdoor churches, the first 120 000, from the official LMDB or any other container."""

    licence: ClassVar[str] = "none stated by the authors"
    citation: ClassVar[str] = "Yu, Seff, Zhang, Song, Funkhouser, Xiao (2015), LSUN, arXiv:1506.03365"

    source: str = image_options.source(
        "church_outdoor_train_lmdb, a folder of images, or a zip, tar, parquet or packed file; a path or any fsspec URL"
    )
    size: int = image_options.size(256, "side of the square that networks see")
    images: int = image_options.images(120_000)
    flip: bool = image_options.flip()
    resize: str = image_options.resize()
    on_error: str = image_options.on_error()

    def spec(self) -> DataSpec:
        """Images `[3, size, size]`, without classes."""
        return image_options.spec(self, self.size, 3, None)

    def files(self) -> tuple[str, ...]:
        """The source, as given."""
        return image_options.local(self.source)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The list of photographs; each is read when it is asked for."""
        from .image_sets import image_set
        from .opening import open_container

        return image_set(self, open_container(self.source), images=self.images)
