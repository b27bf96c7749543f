"""Tar archives of image files, one or many shards, read by offset; nothing is extracted.

x_0 = resize(crop(member)),   uint8 [C, H, W];     y by dataset.json, .cls member or folder
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component

from . import Data, DataSpec, image_options


@component
class ImageTar(Data):
    """Uncompressed tar archives of PNG, JPEG, WebP or BMP files, one or many (also WebDataset's shards)."""

    source: str = image_options.source("an archive, a folder of .tar files, or a pattern with *; a path or any fsspec URL")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    classes: int = image_options.classes("number of classes: in dataset.json, in .cls members, or of folders; 0 for no classes")
    flip: bool = image_options.flip()
    resize: str = image_options.resize()
    on_error: str = image_options.on_error()

    def spec(self) -> DataSpec:
        """Images `[channels, height, width]`."""
        return image_options.spec(self, self.size, self.channels, self.classes)

    def files(self) -> tuple[str, ...]:
        """The source, as given."""
        return image_options.local(self.source)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """One or two numbers make a size."""
        return image_options.complaints(self.size)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The archives' headers; a member is read and decoded when it is asked for."""
        from .image_sets import image_set
        from .tar_files import TarFiles

        return image_set(self, TarFiles(self.source))
