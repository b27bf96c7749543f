"""What parametrizations do: from the network's raw output to a step.

x_in = x_t / sqrt(alpha² + sigma²)        (x_t itself where the schedule preserves variance)
x̂_0  = raw | (x_t - sigma raw)/alpha | (alpha x_t - sigma raw)/(alpha² + sigma²) | see `Preconditioned`
x_s  ~ N(mean of q(x_s | x_t, x̂_0), variance)

The variance is the posterior's β̃ (fixed-small), the transition's w (fixed-large), or learned: then raw has as many channels
again, and v in them stands for

    log variance = (1 + v)/2 · log w + (1 - v)/2 · log β̃                    (Nichol and Dhariwal, 2021, Eq. 15, v from -1 to 1)

with w and β̃ those of the step from t to s, so that skipped steps keep their meaning.
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
        variance: `fixed-small`, `fixed-large` or `learned`.
    """

    def __init__(self, process: GaussianForward, target: str, variance: str) -> None:
        super().__init__(process)
        self.kind, self.variance = target, variance

    def x_0(self, raw: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The predicted clean sample `[B, *shape]`."""
        raw = raw[:, : x_t.shape[1]]
        if self.kind == "eps":
            return self.process.x_0_from_eps(raw, x_t, t)
        return self.process.x_0_from_v(raw, x_t, t) if self.kind == "v" else raw

    def distribution(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Gaussian:
        """p(x_s | x_t, z); a point at s = 0, whatever the variance."""
        q = self.process.posterior(self.x_0(raw, x_t, t), x_t, t, s)
        if self.variance == "fixed-small":
            return q
        if self.variance == "learned":
            return Gaussian(q.mean, self.log_variance(raw, x_t, t, s).exp() * per_sample(s > 0, x_t))
        w = self.process.transition(t, s)[1]
        return Gaussian(q.mean, per_sample(w * (s > 0), x_t))

    def log_variance(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """The learned log variance `[B, *shape]`; at s = 0, where β̃ = 0, that of fixed-large whatever the output."""
        w = self.process.transition(t, s)[1]
        small = torch.where(s > 0, self.process.posterior_coefficients(t, s)[2], w)
        share = (raw[:, x_t.shape[1] :] + 1) / 2
        return per_sample(small.log(), x_t) + per_sample((w / small).log(), x_t) * share

    def step(self, raw: Tensor, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """A differentiable draw of x_s."""
        if self.variance != "learned":
            return self.distribution(raw, x_t, t, s).rsample(rng, "posterior")
        mean = self.process.posterior(self.x_0(raw, x_t, t), x_t, t, s).mean
        # At s = 0 the deviation is made 0 after its root was taken: the root of a variance of 0 has no gradient.
        std = (self.log_variance(raw, x_t, t, s) / 2).exp() * per_sample(s > 0, x_t)
        return mean + std * rng.normal("posterior", tuple(x_t.shape[1:])).to(x_t.dtype)

    def target(self, x_0: Tensor, eps: Tensor, x_prev: Tensor | None, t: Tensor) -> Tensor:
        """What a perfect network would put out, in the channels that mean x."""
        return {"x_0": lambda: x_0, "eps": lambda: eps, "v": lambda: self.process.v(x_0, eps, t)}[self.kind]()


class Preconditioned(Posterior):
    """EDM's preconditioning (Karras et al., 2022, Table 1), for any alpha and sigma. With d = sigma_data and
    n² = alpha² d² + sigma², the variance of x_t:

        x_in = x_t / n        x̂_0 = (alpha d² / n²) x_t + (sigma d / n) raw        raw ≈ (sigma x_0 - alpha d² eps) / (d n)

    What the network sees and what it puts out have unit variance at every level. At d = 1 and preserved variance raw is -v.
    """

    def __init__(self, process: GaussianForward, sigma_data: float, variance: str) -> None:
        super().__init__(process, "edm", variance)
        self.d = sigma_data

    def inputs(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Level]:
        """(x_in, level) for x_t `[B, *shape]` at t `[B]`."""
        _, _, n = self._scales(t)
        return per_sample(1 / n, x_t) * x_t, self.process.level(t, x_t.dtype)

    def x_0(self, raw: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The predicted clean sample `[B, *shape]`."""
        alpha, sigma, n = self._scales(t)
        skipped = per_sample(alpha * self.d**2 / n**2, x_t) * x_t
        return skipped + per_sample(sigma * self.d / n, x_t) * raw[:, : x_t.shape[1]]

    def target(self, x_0: Tensor, eps: Tensor, x_prev: Tensor | None, t: Tensor) -> Tensor:
        """What a perfect network would put out, in the channels that mean x."""
        alpha, sigma, n = self._scales(t)
        return per_sample(sigma / (self.d * n), x_0) * x_0 - per_sample(alpha * self.d / n, x_0) * eps

    def _scales(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        alpha, sigma = self.process.alpha_sigma(t)
        return alpha, sigma, (alpha**2 * self.d**2 + sigma**2).sqrt()


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
