"""Parquet files with a column of encoded images, as Hugging Face's data sets come.

x_0 = resize(crop(image)),   uint8 [C, H, W];     y = label
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Data, DataSpec, image_options


@component
class ImageParquet(Data):
    """Parquet files with a column of images, as bytes or {bytes, path}; needs gentoolkit[data]."""

    source: str = image_options.source("a file, a folder of .parquet files, or a pattern with *; a path or any fsspec URL")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    image: str = opt("image", "name of the column of images; img is found, too")
    label: str = opt("label", "name of the column of classes; read only if classes is not 0")
    classes: int = image_options.classes("number of classes in the column of labels; 0 for no classes")
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
        """The files' footers; a row is read and decoded when it is asked for."""
        from .image_sets import image_set
        from .parquet_files import ParquetFiles

        return image_set(self, ParquetFiles(self.source, self.image, self.label))
