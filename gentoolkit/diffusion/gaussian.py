"""Gaussians with a diagonal covariance over `[*shape]`, one per sample.

log N(x; m, v) = -½ Σ [ (x - m)² / v + log(2π v) ]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .broadcast import sum_per_sample
from .draw import Draw


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, variance) per sample: `mean [B, *shape]`, `variance` broadcastable to it. Variance 0 is a point."""

    mean: Tensor
    variance: Tensor

    def rsample(self, rng: Draw, name: str = "eps") -> Tensor:
        """A differentiable draw, `[B, *shape]`."""
        return self.mean + self.variance.sqrt() * rng.normal(name, tuple(self.mean.shape[1:])).to(self.mean.dtype)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of `x [B, *shape]`, in nats, `[B]`; the variance must be positive."""
        v = self.variance.expand_as(self.mean)
        return -0.5 * sum_per_sample((x - self.mean) ** 2 / v + torch.log(2 * math.pi * v))

    def kl(self, other: Gaussian) -> Tensor:
        """KL(self ‖ other) in nats, `[B]`; both variances must be positive."""
        v, u = self.variance.expand_as(self.mean), other.variance.expand_as(self.mean)
        return 0.5 * sum_per_sample(torch.log(u / v) + (v + (self.mean - other.mean) ** 2) / u - 1)
