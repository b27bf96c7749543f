"""Instance noise   (Sønderby et al., 2017; Arjovsky and Bottou, 2017):   x -> x + s eps,  eps ~ N(0, I).

s is drawn per sample, log-uniform between two deviations, and is 0 for the samples that are left clean. Noise as wide as the
gaps between modes lets the discriminator slope across them, so that mass can still move to a mode that gets too little. Only
x_{t-1}, which is judged, is noised: what is told of x_t stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.augmentations import Augmentation
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class InstanceNoise(Augmentation):
    """Gaussian noise of a random size on some of the x_{t-1} that are judged, real and fake."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    both: ClassVar[bool] = False

    smallest: float = opt(0.1, "smallest deviation, in units of x", gt=0)
    largest: float = opt(0.5, "largest deviation, in units of x; sizes between are log-uniform", gt=0)
    share: float = opt(0.5, "share of the samples that get noise", gt=0, le=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """There must be sizes between the two."""
        if self.largest < self.smallest:
            yield "largest", f"it is below smallest = {self.smallest:g}", f"largest = {self.smallest:g} or more"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(x, rng) -> x`."""
        from .noise import Instance

        return Instance(self.smallest, self.largest, self.share)
