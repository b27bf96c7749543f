"""A folder of image files, each cropped at its centre to the wanted aspect and resized with an antialiasing filter.

x_0 = resize(crop(file)),   uint8 [C, H, W]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Data, DataSpec


@component
class ImageFolder(Data):
    """A folder of PNG, JPEG, WebP or BMP files, with subfolders as classes if asked for."""

    source: str = opt(help="the folder; files in subfolders count too", path=True)
    size: int | tuple[int, ...] = opt(help="what networks see: one number for a square, or [height, width]", ge=1, le=16384)
    channels: int = opt(3, "3 for colour, 1 for grey", choices=(1, 3))
    classes: int = opt(0, "number of subfolders of the source, each a class; 0 for no classes", ge=0)
    flip: bool = opt(False, "mirror left to right at random")
    resize: str = opt(
        "lanczos", "filter of the resizing; none demands that every file has the size", choices=("lanczos", "bicubic", "none")
    )
    on_error: str = opt(
        "fail", "what a file that cannot be used does: stop the run, or give way to the next file", choices=("fail", "skip")
    )

    @property
    def sides(self) -> tuple[int, int]:
        """(height, width)."""
        if isinstance(self.size, int):
            return self.size, self.size
        return (self.size[0], self.size[-1])

    def spec(self) -> DataSpec:
        """Images `[channels, height, width]`."""
        return DataSpec(kind="image", shape=(self.channels, *self.sides), labels=self.classes or None)

    def files(self) -> tuple[str, ...]:
        """The folder, as given."""
        return (self.source,)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """One or two numbers make a size."""
        if not isinstance(self.size, int) and len(self.size) != 2:
            yield "size", f"{list(self.size)} has {len(self.size)} numbers", "size = 64 for a square, or size = [height, width]"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The list of files; each is decoded when it is asked for."""
        from .arrays import Flipped
        from .decoding import Decoding
        from .folder_files import FolderSet

        decoding = Decoding(self.sides, self.channels, self.resize)
        images = FolderSet(self.source, self.classes, decoding, skip=self.on_error == "skip")
        return Flipped(images) if self.flip else images
