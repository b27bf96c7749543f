"""A packed set, made by `gentool data pack`: decoded images of one size, read by offset into the batch.

x_0 = images[i],   uint8 [C, H, W];     y = labels[i]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component

from . import Data, DataSpec, image_options


@component
class Packed(Data):
    """Images packed by `gentool data pack`: no decoding, so the quickest source."""

    source: str = image_options.source("the packed set, a .zip; a path or any fsspec URL")
    size: int | tuple[int, ...] = image_options.size()
    channels: int = image_options.channels()
    classes: int = image_options.classes("number of classes that were packed with the images; 0 leaves them aside")
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
        """The file's head; an image is read when it is asked for, and resized only if it was packed in another size."""
        from .image_sets import image_set
        from .located import local_file
        from .packed_files import PackedFiles

        return image_set(self, PackedFiles(self.source, local_file(self.source)))
