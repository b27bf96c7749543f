"""The forward process q and its posterior, for every schedule at once.

    q(x_t | x_s) = N(a x_s, w I)      a = alpha_t / alpha_s,  w = sigma_t² - a² sigma_s²          (paper, Eq. 1)
    q(x_s | x_t, x_0):  mean = (alpha_s w / sigma_t²) x_0 + (a sigma_s² / sigma_t²) x_t
                        variance = sigma_s² w / sigma_t²                                        (paper, Eq. 11)

Exact for s < t - 1 too, at alpha_T = 0, and at s = 0, where it is the point x_0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .broadcast import per_sample
from .draw import Draw
from .gaussian import Gaussian
from .grid import Curve, StepGrid

LOG_SNR_FLOOR = -30.0


@dataclass(frozen=True, eq=False)
class Level:
    """All that networks see of t, each `[B]`."""

    index: Tensor | None
    """t - 1 in {0, ..., T-1}, int64; None off the grid."""
    time: Tensor
    """In [0, 1]."""
    log_snr: Tensor
    """log(alpha²/sigma²), floored at -30 so that alpha = 0 stays finite."""
    c_noise: Tensor
    """log(sigma/alpha)/4, the noise input of Karras et al. (2022)."""


class GaussianForward:
    """q(x_t | x_0) on a step grid. Steps `t`, `s` are int64 `[B]`; a float `t` is a continuous time in [0, 1].

    Args:
        grid: the tables.
        curve: the continuous schedule behind them; needed for continuous times alone.
    """

    def __init__(self, grid: StepGrid, curve: Curve | None = None) -> None:
        self.grid, self.curve = grid, curve

    @property
    def T(self) -> int:
        """Number of steps."""
        return self.grid.T

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(alpha, sigma) at `t`, float64 `[B]`.

        Raises:
            ValueError: continuous times without a continuous schedule.
        """
        if not t.is_floating_point():
            return self.grid.table("alpha", t.device)[t], self.grid.table("sigma", t.device)[t]
        if self.curve is None:
            raise ValueError("this forward process is known on its step grid alone; continuous times need a curve")
        return self.curve.alpha_sigma(t.double())

    def level(self, t: Tensor, dtype: torch.dtype = torch.float32) -> Level:
        """What networks see of `t`; t >= 1 on the grid, time > 0 off it."""
        alpha, sigma = self.alpha_sigma(t)
        on_grid = not t.is_floating_point()
        log_snr = (2 * (alpha.log() - sigma.log())).clamp(min=LOG_SNR_FLOOR)
        time = self.grid.table("time", t.device)[t] if on_grid else t
        return Level(t - 1 if on_grid else None, time.to(dtype), log_snr.to(dtype), (-log_snr / 8).to(dtype))

    def marginal(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t = alpha_t x_0 + sigma_t eps."""
        alpha, sigma = self.alpha_sigma(t)
        return per_sample(alpha, x_0) * x_0 + per_sample(sigma, x_0) * eps

    def transition(self, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """(a, w) of q(x_t | x_s) = N(a x_s, w I), float64 `[B]`, s < t."""
        alpha_t, sigma_t = self.alpha_sigma(t)
        alpha_s, sigma_s = self.alpha_sigma(s)
        a = alpha_t / alpha_s
        return a, sigma_t**2 - a**2 * sigma_s**2

    def renoise(self, x_s: Tensor, s: Tensor, t: Tensor, rng: Draw, name: str = "eps_t") -> Tensor:
        """x_t ~ q(x_t | x_s)."""
        a, w = self.transition(t, s)
        noise = rng.normal(name, tuple(x_s.shape[1:])).to(x_s.dtype)
        return per_sample(a, x_s) * x_s + per_sample(w.sqrt(), x_s) * noise

    def pair(self, x_0: Tensor, t: Tensor, rng: Draw) -> tuple[Tensor, Tensor]:
        """(x_prev, x_t) ~ q(x_{t-1} | x_0) q(x_t | x_{t-1}), the Markov chain of Eq. 1."""
        x_prev = self.marginal(x_0, t - 1, rng.normal("eps_prev", tuple(x_0.shape[1:])).to(x_0.dtype))
        return x_prev, self.renoise(x_prev, t - 1, t, rng)

    def posterior_coefficients(self, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(c_x0, c_xt, variance) of q(x_s | x_t, x_0), float64 `[B]`."""
        a, w = self.transition(t, s)
        sigma_t = self.alpha_sigma(t)[1]
        alpha_s, sigma_s = self.alpha_sigma(s)
        return alpha_s * (w / sigma_t**2), a * sigma_s**2 / sigma_t**2, sigma_s**2 * (w / sigma_t**2)

    def posterior(self, x_0: Tensor, x_t: Tensor, t: Tensor, s: Tensor | None = None) -> Gaussian:
        """q(x_s | x_t, x_0); s = t - 1 unless given."""
        c_x0, c_xt, variance = self.posterior_coefficients(t, t - 1 if s is None else s)
        return Gaussian(per_sample(c_x0, x_t) * x_0 + per_sample(c_xt, x_t) * x_t, per_sample(variance, x_t))

    def step_kl(self, x_0: Tensor, p: Gaussian, x_t: Tensor, t: Tensor, decoder_std: float) -> Tensor:
        """KL( q(x_{t-1} | x_t, x_0) ‖ p ) in nats, `[B]`; at t = 1, where both are points, -log N(x_0; p's mean,
        decoder_std²) up to its constant. Equals ½ (SNR_{t-1} - SNR_t) ‖x_0 - x̂_0‖² where p has the posterior's variance."""
        at_data = per_sample((t == 1).to(x_t.dtype) * decoder_std**2, x_t)
        q = self.posterior(x_0, x_t, t)
        return Gaussian(q.mean, q.variance + at_data).kl(Gaussian(p.mean, p.variance + at_data))

    def ddim(self, x_0: Tensor, x_t: Tensor, t: Tensor, s: Tensor, eta: float) -> Gaussian:
        """The family of Song et al. (2021), Eq. 12, with one marginal: eta = 1 is the posterior, eta = 0 a point."""
        alpha_t, sigma_t = self.alpha_sigma(t)
        alpha_s, sigma_s = self.alpha_sigma(s)
        variance = eta**2 * self.posterior_coefficients(t, s)[2]
        direction = (sigma_s**2 - variance).clamp(min=0).sqrt() / sigma_t
        mean = per_sample(alpha_s - direction * alpha_t, x_t) * x_0 + per_sample(direction, x_t) * x_t
        return Gaussian(mean, per_sample(variance, x_t))

    def prior(self, shape: tuple[int, ...], rng: Draw) -> Tensor:
        """x_T ~ N(0, prior_std² I), `[B, *shape]`."""
        std = 1.0 if self.curve is None else self.curve.prior_std
        return std * rng.normal("prior", shape)

    def snr(self, t: Tensor, decoder_std: float | None = None) -> Tensor:
        """alpha²/sigma², float64 `[B]`. At t = 0, where it is infinite, a `decoder_std` makes it SNR_1 + 1/decoder_std²,
        so that ½(SNR_0 - SNR_1) weighs the squared error as a Gaussian likelihood of that deviation does."""
        alpha, sigma = self.grid.table("alpha", t.device), self.grid.table("sigma", t.device)
        snr = (alpha[1:] / sigma[1:]) ** 2
        clean = snr[:1] + 1 / decoder_std**2 if decoder_std is not None else torch.full_like(snr[:1], torch.inf)
        return torch.cat([clean, snr])[t]

    def bound_factor(self, t: Tensor, decoder_std: float | None = None) -> Tensor:
        """½ (SNR_{t-1} - SNR_t), float64 `[B]`: what the variational bound pays per unit of squared error of x_0, in nats."""
        return (self.snr(t - 1, decoder_std) - self.snr(t)) / 2

    def x_0_from_eps(self, eps: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x_0 = (x_t - sigma eps) / alpha; alpha_t > 0."""
        alpha, sigma = self.alpha_sigma(t)
        return per_sample(1 / alpha, x_t) * x_t - per_sample(sigma / alpha, x_t) * eps

    def x_0_from_v(self, v: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """x_0 = (alpha x_t - sigma v) / (alpha² + sigma²), of v = alpha eps - sigma x_0 (Salimans and Ho, 2022)."""
        alpha, sigma = self.alpha_sigma(t)
        norm = alpha**2 + sigma**2
        return per_sample(alpha / norm, x_t) * x_t - per_sample(sigma / norm, x_t) * v

    def eps_from_x_0(self, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """eps = (x_t - alpha x_0) / sigma; t >= 1."""
        alpha, sigma = self.alpha_sigma(t)
        return per_sample(1 / sigma, x_t) * x_t - per_sample(alpha / sigma, x_t) * x_0

    def v(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """v = alpha eps - sigma x_0."""
        alpha, sigma = self.alpha_sigma(t)
        return per_sample(alpha, x_0) * eps - per_sample(sigma, x_0) * x_0
