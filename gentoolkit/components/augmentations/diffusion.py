"""The forward process as augmentation   (paper, Table 2 'one-shot w/ aug' and App. C.4; Wang et al., 2022, Diffusion-GAN)

    x -> alpha_t x + sigma_t eps,    t ~ U{1, ..., steps - 1},  eps ~ N(0, I),

on a grid of `steps` over the recipe's own schedule; its last step, where nothing is left of x, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.augmentations import Augmentation
from gentoolkit.registry import Facts, component, opt


@component
class Diffusion(Augmentation):
    """Noise of the forward process at a random level, the same for both of a pair."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")

    steps: int = opt(4, "steps of the grid that levels are drawn from; the last one is left out", ge=2)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(x, rng) -> x`."""
        from gentoolkit.diffusion import GaussianForward

        from .noise import Noised

        curve = parts["process"].curve
        return Noised(facts.shape[0], GaussianForward(curve.grid(self.steps), curve))
