"""The slope of a discriminator's logit in the points that it judges, in a form that can be differentiated again.

A compiled program cannot make a tensor of its own require grad; there the points are judged once more, as a function of them,
and the compiler sees that it is the same computation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gentoolkit.components.discriminators import over_scales
from gentoolkit.diffusion import sum_per_sample

Discriminate = Callable[[Tensor], Tensor]


def watched(x: Tensor, needed: bool = True) -> Tensor:
    """`x`, whose gradient `squared_slope` will ask for if it is `needed`."""
    return x if torch.compiler.is_compiling() else x.requires_grad_(needed)


def squared_slope(discriminate: Discriminate, x: Tensor, logits: Tensor | None = None) -> Tensor:
    """‖∂ logit / ∂x‖² per sample, `[B]`, itself differentiable; the logit is the mean over scales.

    Args:
        x: `watched` points.
        logits: `discriminate(x)` where it is at hand.
    """
    if torch.compiler.is_compiling():
        value, pull, *_ = torch.func.vjp(lambda points: over_scales(discriminate(points)), x)
        (gradient,) = pull(torch.ones_like(value))
    else:
        logits = discriminate(x) if logits is None else logits
        (gradient,) = torch.autograd.grad(over_scales(logits).sum(), x, create_graph=True)
    return sum_per_sample(gradient.square())
