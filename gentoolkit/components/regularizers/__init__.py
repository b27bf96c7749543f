"""Regularizers of a discriminator: gradient penalties and their like."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import frozen

from gentoolkit.registry import Component


@frozen(eq=False)
class Judged:
    """A pair of real and fake x_{t-1} as the discriminator has just judged them."""

    real: Any
    """`[B, *shape]`; requires grad if any active regularizer is of second order."""
    fake: Any
    real_logits: Any
    fake_logits: Any
    x_t: Any
    level: Any
    condition: Any


class Regularizer(Component):
    """`build` returns `term(discriminate, judged, rng) -> [B]`, where `discriminate(x_prev) -> logits` judges other points
    at the same x_t. `every` is the lazy interval in optimisation steps; with `scale_by_every` the term is multiplied by it
    (StyleGAN2 does, DDGAN does not)."""

    slot: ClassVar[str] = "regularizer"

    second_order: ClassVar[bool] = False
    """Whether its gradient is a gradient of a gradient: such terms run in full precision and without fused attention."""
    every: Any
    scale_by_every: Any
