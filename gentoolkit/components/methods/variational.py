"""The bound of a conditional VAE denoising step   (footnote 1 of the paper), per sample and dimension:

    observe x_prev:  -log N(x_{t-1}; posterior at x̂_0(x_t, z, t)) + KL( r(z | x_{t-1}, x_t) ‖ p(z) )
    observe x_0:      ½ (SNR_{t-1} - SNR_t) ‖x_0 - x̂_0‖²          + KL( r(z | x_0, x_t) ‖ p(z) )

At t = 1 the posterior is a point; there the likelihood is N(x_0; x̂_0, decoder_std²).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.methods import Batch, Net, Plan, Term, Terms, Update
from gentoolkit.diffusion import Draw, Gaussian, per_sample


def plan(config: Any, parts: Mapping[str, Any]) -> Plan:
    """The plan of a `CVAE` config; `parts` holds `model` and `encoder`."""
    nets = [Net("denoiser", parts["model"], ema=True)]
    terms = [Term("rec")]
    if parts["model"].latent is not None:
        nets.append(Net("encoder", parts["encoder"]))
        warmup, weight = config.kl_warmup, config.kl_weight
        terms.append(Term("kl", weight=(lambda step: weight * min(1.0, step / warmup)) if warmup else weight))
    losses = Variational(config.observe, config.decoder_std)
    trains = tuple(n.name for n in nets)
    return Plan(tuple(nets), (Update("denoiser", trains, tuple(terms), losses.denoiser, config.optimizers["denoiser"]),))


class Variational:
    """The loss over denoiser and encoder.

    Args:
        observe: `x_prev` or `x_0`.
        decoder_std: deviation of the likelihood at t = 1.
    """

    def __init__(self, observe: str, decoder_std: float) -> None:
        self.observe, self.decoder_std = observe, decoder_std

    def denoiser(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """The terms `rec` and, with a latent, `kl`, in nats per dimension of x."""
        model, x_0 = nets["denoiser"], batch.x_0
        q, dims = model.process, x_0[0].numel()
        t = rng.integers("t", 1, q.T)
        x_prev, x_t = q.pair(x_0, t, rng)
        seen = x_prev if self.observe == "x_prev" else x_0
        values, z = {}, None
        if "encoder" in nets:
            r = nets["encoder"](seen, x_t, q.level(t, x_t.dtype), batch.condition)
            z = r.rsample(rng, "z")
            kl = model.latent.kl(r) if hasattr(model.latent, "kl") else r.log_prob(z) - model.latent.log_prior(z)
            values["kl"] = kl / dims
        p = model.distribution(x_t, t, t - 1, z, batch.condition)
        if self.observe == "x_0":
            rec = q.step_kl(x_0, p, x_t, t, self.decoder_std)
        else:
            at_data = per_sample((t == 1).to(x_t.dtype) * self.decoder_std**2, x_t)
            rec = -Gaussian(p.mean, p.variance + at_data).log_prob(x_prev)
        return Terms({"rec": rec / dims, **values}, t)
