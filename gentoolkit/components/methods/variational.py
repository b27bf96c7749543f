"""The bound of a conditional VAE denoising step   (footnote 1 of the paper), per sample and dimension:

    observe x_prev:  -log N(x_{t-1}; posterior at x̂_0(x_t, z, t)) + KL( r(z | x_{t-1}, x_t) ‖ p(z) )
    observe x_0:      ½ (SNR_{t-1} - SNR_t) ‖x_0 - x̂_0‖²          + KL( r(z | x_0, x_t) ‖ p(z) )

At t = 1 the posterior is a point; there the likelihood is N(x_0; x̂_0, decoder_std²).

The first term, `rec`, may be weighed anew: divided by its factor ½ (SNR_{t-1} - SNR_t), the squared error of x_0 counts
alike at every t (simple), or as min(SNR_t, gamma) (min-snr). The second, `kl`, has a factor for each t, and costs nothing
below the free bits. These are counted per sample: the minibatch's mean, as in Kingma et al. (2016), would tie a sample's loss
to its neighbours'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.methods import Batch, Net, Plan, Term, Terms, Update
from gentoolkit.diffusion import Draw, Gaussian, GaussianForward, per_sample


def plan(config: Any, parts: Mapping[str, Any]) -> Plan:
    """The plan of a `CVAE` config; `parts` holds `model` and `encoder`."""
    nets = [Net("denoiser", parts["model"], ema=True)]
    terms = [Term("rec")]
    if parts["model"].latent is not None:
        nets.append(Net("encoder", parts["encoder"]))
        warmup, weight = config.kl_warmup, config.kl_weight
        terms.append(Term("kl", weight=(lambda step: weight * min(1.0, step / warmup)) if warmup else weight))
    losses = Variational(config)
    trains = tuple(n.name for n in nets)
    return Plan(tuple(nets), (Update("denoiser", trains, tuple(terms), losses.denoiser, config.optimizers["denoiser"]),))


class Variational:
    """The loss over denoiser and encoder that a `CVAE` config names."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.free = config.free_bits * math.log(2)
        self.per_step = PerStep(config.kl_weights) if config.kl_weights else None

    def denoiser(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """The terms `rec` and, with a latent, `kl`, in nats per dimension of x; logs the nats that z carries."""
        model, x_0, std = nets["denoiser"], batch.x_0, self.config.decoder_std
        q, dims = model.process, x_0[0].numel()
        t = rng.integers("t", 1, q.T)
        x_prev, x_t = q.pair(x_0, t, rng)
        values, logs, z = {}, {}, None
        if "encoder" in nets:
            seen = x_prev if self.config.observe == "x_prev" else x_0
            r = nets["encoder"](seen, x_t, q.level(t, x_t.dtype), batch.condition)
            z = r.rsample(rng, "z")
            kl = model.latent.kl(r) if hasattr(model.latent, "kl") else r.log_prob(z) - model.latent.log_prior(z)
            logs["z_nats"] = kl.detach()
            values["kl"] = self.weighed_kl(kl, t) / dims
        p = model.distribution(x_t, t, t - 1, z, batch.condition)
        if self.config.observe == "x_0":
            rec = q.step_kl(x_0, p, x_t, t, std)
        else:
            at_data = per_sample((t == 1).to(x_t.dtype) * std**2, x_t)
            rec = -Gaussian(p.mean, p.variance + at_data).log_prob(x_prev)
        return Terms({"rec": self.weighed_rec(rec, q, t) / dims, **values}, t, logs)

    def weighed_rec(self, rec: Tensor, q: GaussianForward, t: Tensor) -> Tensor:
        """`rec [B]` with the weight that the config asks for."""
        if self.config.reconstruction == "elbo":
            return rec
        factor = 1 / q.bound_factor(t, self.config.decoder_std)
        if self.config.reconstruction == "min-snr":
            factor = factor * q.snr(t).clamp(max=self.config.gamma)
        return factor.to(rec.dtype) * rec

    def weighed_kl(self, kl: Tensor, t: Tensor) -> Tensor:
        """`kl [B]` above the free bits, with the factor of its step."""
        kl = kl.clamp(min=self.free) if self.free else kl
        return kl if self.per_step is None else self.per_step(t).to(kl.dtype) * kl


class PerStep:
    """A table over t = 1..T, copied to each device once."""

    def __init__(self, values: Sequence[float]) -> None:
        self.table = torch.tensor([0.0, *values], dtype=torch.float64, device="cpu")
        self._copies: dict[torch.device, Tensor] = {}

    def __call__(self, t: Tensor) -> Tensor:
        """The values at `t [B]`, `[B]`."""
        copy = self._copies.get(t.device)
        if copy is None:
            copy = self.table.to(t.device, torch.float32 if t.device.type == "mps" else torch.float64)
            # A table made while shapes are only simulated must not be remembered as a real one.
            if type(copy) is Tensor:
                self._copies[t.device] = copy
        return copy[t]
