"""The losses of DDPM.

    simple:   ‖raw - target‖² / D                                      target = eps, x_0, v or x_{t-1}
    min-snr:  min(SNR_t, gamma) ‖x_0 - x̂_0‖² / D
    vlb:      KL( q(x_{t-1} | x_t, x_0) ‖ p_theta(x_{t-1} | x_t) ) / D,  -log N(x_0; x̂_0, decoder_std²) / D at t = 1

per sample, D the number of dimensions; nats per dimension for vlb (up to a constant at t = 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gentoolkit.components.methods import Batch, Net, Plan, Term, Terms, Update
from gentoolkit.diffusion import Draw, mean_per_sample


def plan(config: Any, parts: Mapping[str, Any]) -> Plan:
    """The plan of a `DDPM` config; `parts` holds `model`."""
    term = Term(config.loss)
    losses = GaussianSteps(config.loss, config.gamma, config.decoder_std)
    return Plan(
        nets=(Net("denoiser", parts["model"], ema=True),),
        updates=(Update("denoiser", ("denoiser",), (term,), losses.denoiser, config.optimizers["denoiser"]),),
    )


class GaussianSteps:
    """The loss called `name`; see the module's table."""

    def __init__(self, name: str, gamma: float, decoder_std: float | None) -> None:
        self.name, self.gamma, self.decoder_std = name, gamma, decoder_std

    def denoiser(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """The one term, named after the loss."""
        model, x_0 = nets["denoiser"], batch.x_0
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
        if self.name == "simple":
            value = mean_per_sample((raw - p.target(x_0, eps, x_prev, t)).square())
        elif self.name == "min-snr":
            weight = q.snr(t).clamp(max=self.gamma).to(x_0.dtype)
            value = weight * mean_per_sample((x_0 - p.x_0(raw, x_t, t)).square())
        else:
            assert self.decoder_std is not None
            value = q.step_kl(x_0, p.distribution(raw, x_t, t, t - 1), x_t, t, self.decoder_std) / x_0[0].numel()
        return Terms({self.name: value}, t)
