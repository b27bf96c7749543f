"""A zip archive of image files, stored or deflated, read by offset; nothing is extracted.

x_0 = resize(crop(member)),   uint8 [C, H, W];     y by dataset.json or folder
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component

from . import Data, DataSpec, image_options


@component
class ImageZip(Data):
    """A zip archive of PNG, JPEG, WebP or BMP files; classes by StyleGAN's dataset.json in it, or by folder."""

    source: str = image_options.source("the archive; a path or any fsspec URL")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    classes: int = image_options.classes(
        "number of classes: in dataset.json if the archive has one, else of its folders; 0 for no classes"
    )
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
        """The archive's directory; a member is read and decoded when it is asked for."""
        from .image_sets import image_set
        from .located import local_file
        from .zip_files import ZipFiles

        return image_set(self, ZipFiles(self.source, local_file(self.source)))
