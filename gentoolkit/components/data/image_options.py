"""The options that sources of image files share, each written once, and what follows from them without opening anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gentoolkit.registry import Complaint, opt
from gentoolkit.registry.options import REQUIRED

from . import Data, DataSpec

Size = int | tuple[int, ...]


def source(help: str) -> Any:
    """Where the images are."""
    return opt(help=help, path=True)


def size(default: Any = REQUIRED, help: str = "what networks see: one number for a square, or [height, width]") -> Any:
    """What networks see; required where there is no default."""
    return opt(default, help, ge=1, le=16384)


def channels() -> Any:
    """Colour or grey."""
    return opt(3, "3 for colour, 1 for grey", choices=(1, 3))


def classes(help: str) -> Any:
    """Number of classes."""
    return opt(0, help, ge=0)


def images(default: int) -> Any:
    """How many images of the source are the set."""
    return opt(default, "how many are used, the first ones of the source in its order; 0 for all", ge=0)


def flip() -> Any:
    """Random mirroring."""
    return opt(False, "mirror left to right at random")


def resize() -> Any:
    """The filter."""
    return opt(
        "lanczos",
        "filter of the resizing; none demands that every image has the size",
        choices=("lanczos", "bicubic", "bilinear", "none"),
    )


def on_error() -> Any:
    """What a bad image does."""
    return opt(
        "fail", "what an image that cannot be used does: stop the run, or give way to the next one", choices=("fail", "skip")
    )


def sides(size: Size) -> tuple[int, int]:
    """(height, width)."""
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


def complaints(size: Size) -> Iterator[Complaint]:
    """One or two numbers make a size."""
    if not isinstance(size, int) and len(size) != 2:
        yield "size", f"{list(size)} has {len(size)} numbers", "size = 64 for a square, or size = [height, width]"


def local(source: str) -> tuple[str, ...]:
    """The files that `gentool check --files` looks for: the source, or the folder of a pattern."""
    return (source.partition("*")[0].rpartition("/")[0] or ".",) if "*" in source else (source,)


def spec(config: Data, size: Size, channels: int, classes: int | None) -> DataSpec:
    """Images `[channels, height, width]`, with the licence and citation of the source's class."""
    return DataSpec(
        kind="image",
        shape=(channels, *sides(size)),
        labels=classes or None,
        licence=config.licence,
        citation=config.citation,
    )
