"""From the bytes of one image file to uint8 pixels, trusting nothing.

Formats come from an allowlist, the size is judged before a pixel is unpacked, and whatever Pillow trips over is one kind of
error with a reason. Crop and resize: the largest centred box of the wanted aspect, then a filter with antialiasing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PIXELS = 2**26
"""Pixels that an image may have: 8192 x 8192."""
FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
SCANS = 500
"""Passes over the picture that a progressive JPEG may take: each is a few bytes, and decoding costs the whole picture."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is turned."""


@frozen
class Decoding:
    """What becomes of a file: `sides` (height, width), 1 or 3 `channels`, the filter `resize` or `none`."""

    sides: tuple[int, int]
    channels: int
    resize: str


class UnusableError(Exception):
    """An image file that cannot be used; the text goes on after the file's name."""


class WrongSizeError(UnusableError):
    """An image of another size than is demanded; `short` says it without what to write in a recipe."""

    def __init__(self, found: str, wanted: str, write: str) -> None:
        self.short = f"is {found}, not of the size {wanted}"
        super().__init__(f'is {found}, not {wanted}; write size = {write}, or resize = "lanczos", in [data]')


@frozen
class Look:
    """An image as its file has it: before anything is done to it."""

    height: int
    width: int
    mode: str
    format: str


def look(content: bytes | NDArray[np.uint8]) -> Look:
    """What an image is; its pixels are unpacked, so damage is found.

    Raises:
        UnusableError: as `decode`.
    """
    if isinstance(content, np.ndarray):
        height, width, channels = content.shape
        return Look(height, width, "L" if channels == 1 else "RGB", "raw")
    with unpacked(content) as image:
        return Look(image.height, image.width, image.mode, image.format or "unknown")


def decode(content: Path | bytes | NDArray[np.uint8], to: Decoding) -> NDArray[np.uint8]:
    """The image as `to` wants it, uint8 `[C, H, W]`, out of a file, its bytes, or pixels `[H, W, C]`.

    Raises:
        UnusableError: the file is damaged, too large, in no allowed format, or not of the size that `resize = "none"` demands.
    """
    return np.ascontiguousarray(pixels_of(content, to).transpose(2, 0, 1))


def pixels_of(content: Path | bytes | NDArray[np.uint8], to: Decoding) -> NDArray[np.uint8]:
    """The same as uint8 `[H, W, C]`, the order in which decoders put them out; not to be written to."""
    shape = (*to.sides, to.channels)
    if isinstance(content, np.ndarray):
        if content.shape == shape:
            return content
        image = flat(Image.fromarray(content[..., 0] if content.shape[2] == 1 else content), to.channels)
    else:
        image = opened(content, to.channels)
    return np.frombuffer(fitted(image, to).tobytes(), np.uint8).reshape(shape)


def opened(content: Path | bytes, channels: int) -> Image.Image:
    """A whole image file in RGB or grey, turned as it says.

    Raises:
        UnusableError: as `decode`.
    """
    with unpacked(content) as image:
        turned = image.getexif().get(ORIENTATION, 1) != 1
        return flat(ImageOps.exif_transpose(image) if turned else image, channels)


@contextmanager
def unpacked(content: Path | bytes) -> Iterator[Image.Image]:
    """An image file whose pixels are there; whatever fails in the block, too, is the file's fault.

    Raises:
        UnusableError: as `decode`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            content = content if isinstance(content, bytes) else content.read_bytes()
            if content.startswith(b"\xff\xd8") and content.count(b"\xff") > SCANS and content.count(b"\xff\xda") > SCANS:
                raise UnusableError(f"is a JPEG of more than {SCANS} passes over the picture")
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > PIXELS:
                    raise UnusableError(f"has {image.width}x{image.height} pixels, more than {PIXELS}")
                if image.mode.startswith(("I", "F")):
                    raise UnusableError(f"has pixels of kind {image.mode}, not of 8 bits; save it with 8 bits a channel")
                image.load()
                yield image
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableError(f"is no readable {', '.join(FORMATS)} file") from error
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged bytes
        raise UnusableError(f"cannot be decoded: {error or type(error).__name__}") from error


def flat(image: Image.Image, channels: int) -> Image.Image:
    """The image in RGB or grey; what is transparent shows white."""
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def fitted(image: Image.Image, to: Decoding) -> Image.Image:
    """The image at `to.sides`: its largest centred box of that aspect, resized; a box of the very size is only cut out."""
    h, w = to.sides
    if (image.height, image.width) == (h, w):
        return image
    if to.resize == "none":
        sides = f"{image.height}" if image.height == image.width else f"[{image.height}, {image.width}]"
        raise WrongSizeError(f"{image.height}x{image.width}", f"{h}x{w}", sides)
    scale = min(image.height / h, image.width / w)
    if scale == 1:
        left, top = round((image.width - w) / 2), round((image.height - h) / 2)
        return image.crop((left, top, left + w, top + h))
    box_h, box_w = h * scale, w * scale
    left, top = (image.width - box_w) / 2, (image.height - box_h) / 2  # type: ignore[assignment]
    return image.resize((w, h), FILTERS[to.resize], box=(left, top, left + box_w, top + box_h))
