"""Gradient penalties, each a function `(discriminate, judged, rng) -> [B]`.

The logits at hand are used where they can be, unless they were made under autocast: a gradient of bf16 gradients carries
percents of noise, and so does a small difference of bf16 logits, so the points are then judged again, in the full precision
that regularizers run in.
"""

from __future__ import annotations

from torch import Tensor

from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.regularizers import Judged
from gentoolkit.diffusion import Draw, per_sample

from .slopes import Discriminate, squared_slope, watched

TINY = 1e-12
"""Under the root of a squared norm, whose slope at 0 is infinite; a discriminator that starts at zero is there."""


def r1(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma/2 ‖∇ D‖² at the real x_{t-1}, `[B]`."""
    return gamma / 2 * squared_slope(discriminate, judged.real, judged.real_logits if judged.exact else None)


def r2(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma/2 ‖∇ D‖² at the fake x_{t-1}, `[B]`."""
    return gamma / 2 * squared_slope(discriminate, judged.fake, judged.fake_logits if judged.exact else None)


def approximate_r1(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float, std: float) -> Tensor:
    """gamma/2 ((D(x + std n) - D(x)) / std)² at the real x_{t-1}, `[B]`, n standard normal; to first order in `std` its mean
    over n is R1."""
    noise = rng.normal("noise", tuple(judged.real.shape[1:])).to(judged.real.dtype)
    here = judged.real_logits if judged.exact else discriminate(judged.real)
    moved: Tensor = over_scales(discriminate(judged.real + std * noise)) - over_scales(here)
    return gamma / 2 * (moved / std).square()


def wgan_gp(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma (‖∇ D‖ - 1)² at a random point between the real and the fake x_{t-1}, `[B]`."""
    u = per_sample(rng.uniform("between"), judged.real)
    between = watched((judged.fake + u * (judged.real - judged.fake)).detach())
    square = squared_slope(discriminate, between)
    return gamma * ((square + TINY).sqrt() - 1).square()
