"""Gradient penalties, each a function `(discriminate, judged, rng) -> [B]`.

The logits at hand are used where they can be, unless they were made under autocast: a gradient of bf16 gradients carries
percents of noise, and so does a small difference of bf16 logits, so the points are then judged again in full precision.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.networks.layers import full_precision
from gentoolkit.components.regularizers import Judged
from gentoolkit.diffusion import Draw, per_sample, sum_per_sample

Discriminate = Callable[[Tensor], Tensor]
TINY = 1e-12
"""Under the root of a squared norm, whose slope at 0 is infinite; a discriminator that starts at zero is there."""


def r1(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma/2 ‖∇ D‖² at the real x_{t-1}, `[B]`."""
    return gamma / 2 * penalized(discriminate, judged.real, judged.real_logits)


def r2(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma/2 ‖∇ D‖² at the fake x_{t-1}, `[B]`."""
    return gamma / 2 * penalized(discriminate, judged.fake, judged.fake_logits)


def approximate_r1(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float, std: float) -> Tensor:
    """gamma/2 ((D(x + std n) - D(x)) / std)² at the real x_{t-1}, `[B]`, n standard normal; to first order in `std` its mean
    over n is R1."""
    noise = rng.normal("noise", tuple(judged.real.shape[1:])).to(judged.real.dtype)
    again = torch.is_autocast_enabled(judged.real.device.type)
    with full_precision(judged.real.device):
        here = discriminate(judged.real) if again else judged.real_logits
        moved: Tensor = over_scales(discriminate(judged.real + std * noise)) - over_scales(here)
    return gamma / 2 * (moved / std).square()


def wgan_gp(discriminate: Discriminate, judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma (‖∇ D‖ - 1)² at a random point between the real and the fake x_{t-1}, `[B]`."""
    u = per_sample(rng.uniform("between"), judged.real)
    between = (judged.fake + u * (judged.real - judged.fake)).detach().requires_grad_()
    with full_precision(between.device):
        square = squared_gradient(discriminate(between), between)
    return gamma * ((square + TINY).sqrt() - 1).square()


def penalized(discriminate: Discriminate, x: Tensor, logits: Tensor) -> Tensor:
    """‖∇ D‖² at points that were judged already, `[B]`."""
    if not torch.is_autocast_enabled(x.device.type):
        return squared_gradient(logits, x)
    with full_precision(x.device):
        return squared_gradient(discriminate(x), x)


def squared_gradient(logits: Tensor, x: Tensor) -> Tensor:
    """‖∂ logit / ∂x‖² per sample, `[B]`, itself differentiable; the logit is the mean over scales."""
    (gradient,) = torch.autograd.grad(over_scales(logits).sum(), x, create_graph=True)
    return sum_per_sample(gradient.square())
