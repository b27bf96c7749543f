"""Gradient penalties, each a function `(discriminate, judged, rng) -> [B]`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.regularizers import Judged
from gentoolkit.diffusion import Draw, sum_per_sample


def r1(discriminate: Callable[[Tensor], Tensor], judged: Judged, rng: Draw, *, gamma: float) -> Tensor:
    """gamma/2 ‖∇ D‖² at the real x_{t-1}, `[B]`.

    The logits at hand are differentiated, unless they were made under autocast: a gradient of bf16 gradients carries
    percents of noise, so the pair is then judged again in full precision.
    """
    device = judged.real.device.type
    if not torch.is_autocast_enabled(device):
        return gamma / 2 * squared_gradient(judged.real_logits, judged.real)
    with torch.autocast(device, enabled=False):
        return gamma / 2 * squared_gradient(discriminate(judged.real), judged.real)


def squared_gradient(logits: Tensor, x: Tensor) -> Tensor:
    """‖∂ logit / ∂x‖² per sample, `[B]`, itself differentiable; the logit is the mean over scales."""
    (gradient,) = torch.autograd.grad(over_scales(logits).sum(), x, create_graph=True)
    return sum_per_sample(gradient.square())
