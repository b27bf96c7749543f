"""CelebA-HQ: 30 000 faces, of which 27 000 are trained on (the split of NVAE, LSGM and DDGAN).

x_0 = resize(crop(image)),   uint8 [3, size, size];     the paper's is 256
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component

from . import Data, DataSpec, image_options


@component
class CelebAHQ(Data):
    """CelebA-HQ's 27 000 training faces, from the LMDB of raw pixels that NVAE and DDGAN use, or any other container."""

    licence: ClassVar[str] = "non-commercial research and education only (CelebA's agreement)"
    citation: ClassVar[str] = "Karras, Aila, Laine, Lehtinen (2018), Progressive Growing of GANs, arXiv:1710.10196"

    source: str = image_options.source(
        "folder of the LMDB (or of train.lmdb), of images, or a zip, tar, parquet or packed file; a path or any fsspec URL"
    )
    size: int = image_options.size(256, "side of the square that networks see")
    images: int = image_options.images(27_000)
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
        """The list of faces; each is read when it is asked for."""
        from .image_sets import image_set
        from .opening import open_container

        return image_set(self, open_container(self.source), images=self.images)
