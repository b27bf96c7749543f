"""From the bytes of one image file to uint8 `[C, H, W]`, trusting nothing.

Formats come from an allowlist, the size is judged before a pixel is unpacked, and whatever Pillow trips over is one kind of
error with a reason. Crop and resize: the largest centred box of the wanted aspect, then a filter with antialiasing.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PIXELS = 2**26
"""Pixels that an image may have: 8192 x 8192."""
FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}


@frozen
class Decoding:
    """What becomes of a file: `sides` (height, width), 1 or 3 `channels`, the filter `resize` or `none`."""

    sides: tuple[int, int]
    channels: int
    resize: str


class UnusableError(Exception):
    """An image file that cannot be used; the text goes on after the file's name."""


def decode(path: Path, to: Decoding) -> NDArray[np.uint8]:
    """The image as `to` wants it, uint8 `[C, H, W]`.

    Raises:
        UnusableError: the file is damaged, too large, in no allowed format, or not of the size that `resize = "none"` demands.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > PIXELS:
                    raise UnusableError(f"has {image.width}x{image.height} pixels, more than {PIXELS}")
                if image.mode.startswith(("I", "F")):
                    raise UnusableError(f"has pixels of kind {image.mode}, not of 8 bits; save it with 8 bits a channel")
                image.load()
                plain = flat(ImageOps.exif_transpose(image), to.channels)
    except UnusableError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableError(f"is no readable {', '.join(FORMATS)} file") from error
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged bytes
        raise UnusableError(f"cannot be decoded: {error or type(error).__name__}") from error
    pixels = np.array(fitted(plain, to)).reshape(*to.sides, to.channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def flat(image: Image.Image, channels: int) -> Image.Image:
    """The image in RGB or grey; what is transparent shows white."""
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over)
    return image.convert("L" if channels == 1 else "RGB")


def fitted(image: Image.Image, to: Decoding) -> Image.Image:
    """The image at `to.sides`: its largest centred box of that aspect, resized."""
    h, w = to.sides
    if (image.height, image.width) == (h, w):
        return image
    if to.resize == "none":
        sides = f"{image.height}" if image.height == image.width else f"[{image.height}, {image.width}]"
        wanted = f"{image.height}x{image.width}, not {h}x{w}"
        raise UnusableError(f'is {wanted}; write size = {sides}, or resize = "lanczos", in [data]')
    scale = min(image.height / h, image.width / w)
    box_h, box_w = h * scale, w * scale
    left, top = (image.width - box_w) / 2, (image.height - box_h) / 2
    return image.resize((w, h), FILTERS[to.resize], box=(left, top, left + box_w, top + box_h))
