"""What parametrizations do: from the network's raw output to a step.

x_in = x_t / sqrt(alpha² + sigma²)        (x_t itself where the schedule preserves variance)
x̂_0  = raw | (x_t - sigma raw)/alpha | (alpha x_t - sigma raw)/(alpha² + sigma²)
x_s  ~ N(mean of q(x_s | x_t, x̂_0), variance)
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.diffusion import Draw, Gaussian, GaussianForward, Level, per_sample


class Inputs:
    """What a network sees of x_t: unit variance for data of unit variance, and the level."""

    def __init__(self, process: GaussianForward) -> None:
        self.process = process
        grid = process.grid
        self.preserves = bool(torch.allclose(grid.alpha**2 + grid.sigma**2, torch.ones_like(grid.alpha)))

    def inputs(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Level]:
        """(x_in, level) for x_t `[B, *shape]` at t `[B]`."""
        level = self.process.level(t, x_t.dtype)
        if self.preserves:
            return x_t, level
        alpha, sigma = self.process.alpha_sigma(t)
        return per_sample((alpha**2 + sigma**2).rsqrt(), x_t) * x_t, level


class Posterior(Inputs):
    """q(x_s | x_t, x̂_0) with x̂_0 read off the network's output.

    Args:
        process: the forward process.
        target: what the output stands for: `x_0`, `eps` or `v`.
        variance: `fixed-small` or `fixed-large`.
    """

    def __init__(self, process: GaussianForward, target: str, variance: str) -> None:
        super().__init__(process)
        self.kind, self.large = target, variance == "fixed-large"

    def x_0(self, raw: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The predicted clean sample `[B, *shape]`."""
        if self.kind == "eps":
            return self.process.x_0_from_eps(raw, x_t, t)
        return self.process.x_0_from_v(raw, x_t, t) if self.kind == "v" else raw

    def distribution(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Gaussian:
        """p(x_s | x_t, z); a point at s = 0, whatever the variance."""
        q = self.process.posterior(self.x_0(raw, x_t, t), x_t, t, s)
        if not self.large:
            return q
        w = self.process.transition(t, s)[1]
        return Gaussian(q.mean, per_sample(w * (s > 0), x_t))

    def step(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """A differentiable draw of x_s."""
        return self.distribution(raw, x_t, t, s).rsample(rng, "posterior")

    def target(self, x_0: Tensor, eps: Tensor, x_prev: Tensor | None, t: Tensor) -> Tensor:
        """What a perfect network would put out."""
        return {"x_0": lambda: x_0, "eps": lambda: eps, "v": lambda: self.process.v(x_0, eps, t)}[self.kind]()


class DirectStep(Inputs):
    """The network's output is x_{t-1}."""

    def step(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_{t-1}; no noise is added."""
        return raw

    def target(self, x_0: Tensor, eps: Tensor, x_prev: Tensor | None, t: Tensor) -> Tensor:
        """x_{t-1}; the caller must have drawn the pair."""
        if x_prev is None:
            raise ValueError("direct denoising learns from pairs (x_prev, x_t)")
        return x_prev
