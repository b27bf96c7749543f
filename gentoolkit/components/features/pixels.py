"""The sample itself as its features: no network, no weights. Honest for points and tiny images, blind to content in others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component

from . import Features


@component
class Pixels(Features):
    """Pixels in [0, 1], or the coordinates of points."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What lays a sample out as a row."""
        from .rows import Rows

        return Rows("pixels" if facts.kind == "image" else "coordinates")
