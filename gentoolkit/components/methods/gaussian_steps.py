"""The losses of DDPM.

    simple:   ‖raw - target‖² / D                                      target = eps, x_0, v, edm or x_{t-1}
    min-snr:  min(SNR_t, gamma) ‖x_0 - x̂_0‖² / D
    p2:       SNR_t / (k + SNR_t)^gamma ‖x_0 - x̂_0‖² / D               in eps terms ‖eps - ε̂‖² / (k + SNR_t)^gamma
    vlb:      KL( q(x_{t-1} | x_t, x_0) ‖ p_theta(x_{t-1} | x_t) ) / D,  -log N(x_0; x̂_0, decoder_std²) / D at t = 1
    hybrid:   simple + vlb_weight T vlb, where vlb sees x̂_0 as a constant and so trains the learned variance alone

per sample, D the number of dimensions; nats per dimension for vlb (up to a constant at t = 1). T times the mean of vlb over
t is the bound, a sum over steps.

Source: Ho et al. (2020); Hang et al. (2023); Choi et al. (2022), Eq. 8; Nichol and Dhariwal (2021), Eq. 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.methods import Batch, Net, Plan, Term, Terms, Update
from gentoolkit.diffusion import Draw, mean_per_sample


def plan(config: Any, parts: Mapping[str, Any]) -> Plan:
    """The plan of a `DDPM` config; `parts` holds `model`."""
    terms: tuple[Term, ...] = (Term(config.loss),)
    if config.loss == "hybrid":
        terms = (Term("simple"), Term("vlb", weight=config.vlb_weight * parts["model"].process.T))
    losses = GaussianSteps(config)
    return Plan(
        nets=(Net("denoiser", parts["model"], ema=True),),
        updates=(Update("denoiser", ("denoiser",), terms, losses.denoiser, config.optimizers["denoiser"]),),
    )


class GaussianSteps:
    """The loss that a `DDPM` config names; see the module's table."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def denoiser(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """One term named after the loss; under hybrid the terms `simple` and `vlb`."""
        model, x_0, loss = nets["denoiser"], batch.x_0, self.config.loss
        q, p = model.process, model.parametrization
        t = rng.integers("t", 1, q.T)
        x_prev: Tensor | None = None
        eps = x_0
        if hasattr(p, "x_0"):
            eps = rng.normal("eps", tuple(x_0.shape[1:]))
            x_t = q.marginal(x_0, t, eps)
        else:
            x_prev, x_t = q.pair(x_0, t, rng)
        raw = model.raw(x_t, t, model.draw_z(rng), batch.condition)
        means_x, means_variance = raw[:, : x_0.shape[1]], raw[:, x_0.shape[1] :]
        values: dict[str, Tensor] = {}
        if loss in ("simple", "hybrid"):
            values["simple"] = mean_per_sample((means_x - p.target(x_0, eps, x_prev, t)).square())
        if loss in ("min-snr", "p2"):
            values[loss] = self.weight(q.snr(t)).to(x_0.dtype) * mean_per_sample((x_0 - p.x_0(raw, x_t, t)).square())
        if loss in ("vlb", "hybrid"):
            if loss == "hybrid":
                raw = torch.cat([means_x.detach(), means_variance], dim=1)
            step = p.distribution(raw, x_t, t, t - 1)
            values["vlb"] = q.step_kl(x_0, step, x_t, t, self.config.decoder_std) / x_0[0].numel()
        return Terms(values, t)

    def weight(self, snr: Tensor) -> Tensor:
        """The factor of the squared error of x_0 at an SNR `[B]`."""
        if self.config.loss == "min-snr":
            return snr.clamp(max=self.config.gamma)
        weight: Tensor = snr / (self.config.p2_k + snr) ** self.config.p2_gamma
        return weight
