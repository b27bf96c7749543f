"""The set that a source's options make of its container."""

from __future__ import annotations

from typing import Any

from .arrays import Flipped
from .containers import Container
from .decoded import DecodedSet
from .decoding import Decoding
from .image_options import sides


def image_set(config: Any, container: Container, channels: int = 3, images: int = 0) -> Any:
    """Images of `container` under the options size, resize, on_error, flip and, where the source has them, channels and
    classes of `config`; the first `images`, or all."""
    decoding = Decoding(sides(config.size), getattr(config, "channels", channels), config.resize)
    found = DecodedSet(container, decoding, getattr(config, "classes", 0), config.on_error == "skip", images)
    return Flipped(found) if config.flip else found
