"""Differentiable augmentation (Zhao et al., 2020): colour, translation, cutout; the formulas stand in `pictures.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.augmentations import Augmentation
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class DiffAug(Augmentation):
    """Colour, translation and cutout at random, for real and fake images alike; for few data."""

    colour: bool = opt(True, "change brightness, saturation and contrast")
    translation: float = opt(0.125, "largest shift, as a share of the side; what comes in is 0", ge=0, lt=1)
    cutout: float = opt(0.5, "side of the square that is set to 0, as a share of the image's", ge=0, lt=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """It must do something."""
        if not (self.colour or self.translation or self.cutout):
            yield "use", "nothing is left of it without colour, translation and cutout"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(x, rng) -> x`."""
        from .pictures import Changes

        return Changes(facts.shape[0], self.colour, self.translation, self.cutout)
