"""How much a denoising step's latent has to say: the latent budget of a conditional VAE.

A step without a latent predicts E[x_0 | x_t] at best, and its variational bound then pays

    budget_t = ½ (SNR_{t-1} - SNR_t) E‖x_0 - E[x_0 | x_t]‖²        nats per sample

which is the most that a latent can win there, and so the most that it can carry. Where the bound observes x_0, a latent is not
worth its KL as long as signal_t < 1:

    signal_t = (SNR_{t-1} - SNR_t) λ_max,    λ_max the largest eigenvalue of Cov(x_0 | x_t) at any x_t
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from attrs import frozen

from .draw import Draw
from .forward import GaussianForward
from .oracle import MixtureOracle


@frozen
class StepBudget:
    """One step's latent budget."""

    t: int
    factor: float
    """½ (SNR_{t-1} - SNR_t), nats per unit of squared error; infinite at t = 1 without a `decoder_std`."""
    nats: float | None = None
    """The budget per sample; None where q(x_0 | x_t) is not known."""
    signal: float | None = None
    """The signal; None where q(x_0 | x_t) is not known."""


def latent_budget(
    process: GaussianForward,
    mixture: Mapping[str, Any] | None = None,
    decoder_std: float | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> list[StepBudget]:
    """The budget of t = 1..T. Factors for any data; for a Gaussian mixture the budget and the signal too, from the exact
    covariance at `samples` points x_t ~ q (mean trace, largest eigenvalue).

    Args:
        process: the forward process.
        mixture: `means`, `std` and `weights`: the fact of that name.
        decoder_std: deviation of the likelihood of x_0 at t = 1.
        samples: points x_t per step.
        seed: of the points.
    """
    factors = process.bound_factor(torch.arange(1, process.T + 1), decoder_std).tolist()
    if mixture is None:
        return [StepBudget(t, factor) for t, factor in enumerate(factors, start=1)]
    oracle, rng = MixtureOracle.of(process, mixture), Draw((seed, "budget"), 0, samples, dtype=torch.float64)
    x_0 = oracle.draw_x_0(rng)
    eps = rng.normal("eps", tuple(x_0.shape[1:]))
    found = []
    for t, factor in enumerate(factors, start=1):
        at = torch.full((samples,), t)
        covariance = oracle.x_0_covariance(process.marginal(x_0, at, eps), at)
        spread = float(covariance.diagonal(dim1=1, dim2=2).sum(1).mean())
        widest = float(torch.linalg.eigvalsh(covariance)[:, -1].max())
        found.append(StepBudget(t, factor, factor * spread, 2 * factor * widest))
    return found
