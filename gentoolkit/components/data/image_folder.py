"""A folder of image files, each cropped at its centre to the wanted aspect and resized with an antialiasing filter.

x_0 = resize(crop(file)),   uint8 [C, H, W]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component

from . import Data, DataSpec, image_options


@component
class ImageFolder(Data):
    """A folder of PNG, JPEG, WebP or BMP files, with subfolders (or a dataset.json) as classes if asked for."""

    source: str = image_options.source("the folder; files in subfolders count too")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    classes: int = image_options.classes("number of subfolders of the source, each a class; 0 for no classes")
    flip: bool = image_options.flip()
    resize: str = image_options.resize()
    on_error: str = image_options.on_error()

    def spec(self) -> DataSpec:
        """Images `[channels, height, width]`."""
        return image_options.spec(self, self.size, self.channels, self.classes)

    def files(self) -> tuple[str, ...]:
        """The folder, as given."""
        return (self.source,)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """One or two numbers make a size."""
        return image_options.complaints(self.size)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The list of files; each is decoded when it is asked for."""
        from .folder_files import FolderFiles
        from .image_sets import image_set

        return image_set(self, FolderFiles(self.source))
