"""Augmentations of what a discriminator sees."""

from __future__ import annotations

from typing import ClassVar

from gentoolkit.registry import Component


class Augmentation(Component):
    """`build` returns a differentiable `(x, rng) -> x`; a pair (x_prev, x_t) is stacked along channels, so that both
    get the same draw."""

    slot: ClassVar[str] = "augmentation"
