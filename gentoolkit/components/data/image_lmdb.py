"""An LMDB of images: encoded files under any keys (LSUN's layout), or raw pixels under "0".."n-1" (CelebA-HQ's).

x_0 = resize(crop(value)),   uint8 [C, H, W]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component

from . import Data, DataSpec, image_options


@component
class ImageLmdb(Data):
    """An LMDB of encoded images (LSUN's layout) or of raw uint8 HxWx3 under the keys 0, 1, 2, ...; needs gentoolkit[data]."""

    source: str = image_options.source("the LMDB's folder or its data file; a path or any fsspec URL")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    flip: bool = image_options.flip()
    resize: str = image_options.resize()
    on_error: str = image_options.on_error()

    def spec(self) -> DataSpec:
        """Images `[channels, height, width]`."""
        return image_options.spec(self, self.size, self.channels, None)

    def files(self) -> tuple[str, ...]:
        """The source, as given."""
        return image_options.local(self.source)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """One or two numbers make a size."""
        return image_options.complaints(self.size)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The keys; a value is read and decoded when it is asked for."""
        from .image_sets import image_set
        from .lmdb_files import LmdbFiles

        return image_set(self, LmdbFiles(self.source))
