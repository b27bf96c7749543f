"""The true denoising distribution of a Gaussian mixture, in closed form.

For x_0 ~ Σ_i π_i N(μ_i, τ² I), with V = alpha_t² τ² + sigma_t² and m_i = μ_i + (alpha_t τ² / V)(x_t - alpha_t μ_i):

    r_i ∝ π_i N(x_t; alpha_t μ_i, V I)                          which component x_t came from
    x_0 | x_t, i  ~  N(m_i, (τ² sigma_t² / V) I)
    x_s | x_t, i  ~  N(c_x0 m_i + c_xt x_t, (c_x0² τ² sigma_t² / V + β̃) I)

It tests samplers exactly, draws the paper's Fig. 2, and shows what no Gaussian denoising step can do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .broadcast import per_sample
from .draw import Draw
from .forward import GaussianForward
from .gaussian import Gaussian


class MixtureOracle:
    """Exact q(x_s | x_t) for a mixture of K isotropic Gaussians in D dimensions.

    Args:
        process: the forward process.
        means: `[K, D]`.
        std: τ, common to all components.
        weights: `[K]`, summing to 1.
    """

    def __init__(self, process: GaussianForward, means: Tensor, std: float, weights: Tensor) -> None:
        self.process, self.means, self.std, self.weights = process, means.double(), std, weights.double()

    @classmethod
    def of(cls, process: GaussianForward, mixture: Mapping[str, Any]) -> MixtureOracle:
        """The oracle of a data set's `mixture` fact."""
        return cls(process, torch.tensor(mixture["means"]), mixture["std"], torch.tensor(mixture["weights"]))

    def components(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(log r `[B, K]`, m `[B, K, D]`, variance of x_0 given the component `[B]`)."""
        alpha, sigma = self.process.alpha_sigma(t)
        total = alpha**2 * self.std**2 + sigma**2
        offset = x_t.double()[:, None] - alpha[:, None, None] * self.means
        log_r = self.weights.log() - 0.5 * (offset**2).sum(-1) / total[:, None]
        m = self.means + (alpha * self.std**2 / total)[:, None, None] * offset
        return log_r.log_softmax(-1), m, self.std**2 * sigma**2 / total

    def draw_x_0(self, rng: Draw) -> Tensor:
        """x_0 ~ q(x_0), `[B, D]`."""
        i = self._pick(self.weights.log().expand(len(rng), -1), rng)
        return self.means[i] + self.std * rng.normal("x_0", (self.means.shape[1],)).double()

    def x_0_mean(self, x_t: Tensor, t: Tensor) -> Tensor:
        """E[x_0 | x_t], `[B, D]`."""
        log_r, m, _ = self.components(x_t, t)
        return (log_r.exp()[..., None] * m).sum(1)

    def x_0_covariance(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Cov(x_0 | x_t), `[B, D, D]`."""
        log_r, m, spread = self.components(x_t, t)
        r = log_r.exp()[..., None]
        apart = m - (r * m).sum(1, keepdim=True)
        within = spread[:, None, None] * torch.eye(m.shape[2], dtype=m.dtype)
        return (r * apart).transpose(1, 2) @ apart + within

    def step(self, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s ~ q(x_s | x_t), exact."""
        log_r, m, spread = self.components(x_t, t)
        c_x0, c_xt, variance = self.process.posterior_coefficients(t, s)
        mean = m[torch.arange(len(m)), self._pick(log_r, rng)]
        mean = per_sample(c_x0, mean) * mean + per_sample(c_xt, mean) * x_t.double()
        return Gaussian(mean, per_sample(c_x0**2 * spread + variance, mean)).rsample(rng)

    def log_prob(self, x_s: Tensor, x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """log q(x_s | x_t) in nats, `[B]`."""
        log_r, m, spread = self.components(x_t, t)
        c_x0, c_xt, variance = self.process.posterior_coefficients(t, s)
        v = (c_x0**2 * spread + variance)[:, None]
        mean = c_x0[:, None, None] * m + (c_xt[:, None] * x_t.double())[:, None]
        square = ((x_s.double()[:, None] - mean) ** 2).sum(-1)
        return (log_r - 0.5 * (square / v + mean.shape[-1] * torch.log(2 * math.pi * v))).logsumexp(-1)

    def gaussian(self, x_t: Tensor, t: Tensor, s: Tensor, matched: bool = False) -> Gaussian:
        """The best a Gaussian step can do: the exact mean of x_s given x_t with variance β̃, or with `matched` the exact
        variance of x_s in each dimension. A point at s = 0."""
        log_r, m, spread = self.components(x_t, t)
        r = log_r.exp()[..., None]
        x_0 = (r * m).sum(1)
        q = self.process.posterior(x_0, x_t.double(), t, s)
        if not matched:
            return q
        c_x0 = per_sample(self.process.posterior_coefficients(t, s)[0], x_0)
        between = (r * (m - x_0[:, None]) ** 2).sum(1)
        variance = c_x0**2 * (between + per_sample(spread, x_0)) + q.variance
        return Gaussian(q.mean, variance * per_sample(s > 0, x_0))

    def _pick(self, log_r: Tensor, rng: Draw) -> Tensor:
        u = rng.uniform("component").double()[:, None]
        return (log_r.exp().cumsum(-1) < u).sum(-1).clamp(max=log_r.shape[-1] - 1)
