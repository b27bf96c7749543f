"""Conditional VAE denoising: the integral of Eq. 5 trained by an ELBO (footnote 1 of the paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.encoders import Encoder
from gentoolkit.components.methods import NO_SIGNAL, UNTAUGHT, Method
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.registry import Complaint, Facts, component, opt

MOST_LINES = 20
"""Steps that the deep report shows; of more than these it shows some, closer together near the data."""


@component
class CVAE(Method):
    """Conditional VAE per denoising step: an encoder r(z | seen, x_t) and a variational bound."""

    encoder: Encoder | None = opt(None, "the inference network; needed unless there is no latent")
    observe: str = opt(
        "x_prev",
        "what the bound is on, and the encoder sees: x_{t-1} (tight), or x_0 (less noise, looser)",
        choices=("x_prev", "x_0"),
    )
    decoder_std: float | None = opt(None, "deviation of the likelihood of x_0 at t = 1; required", gt=0)
    reconstruction: str = opt(
        "elbo",
        "weight of the reconstruction at each t: elbo is the bound; simple makes the squared error of x_0 count alike at every "
        "t; min-snr gives it the weight min(SNR, gamma)",
        choices=("elbo", "simple", "min-snr"),
    )
    gamma: float = opt(5.0, "ceiling of the SNR weight under min-snr (Hang et al., 2023)", gt=0)
    kl_weight: float = opt(1.0, "factor of KL(r ‖ p(z)); 1 is the bound", ge=0)
    kl_weights: tuple[float, ...] = opt((), "further factors of the KL at t = 1..T, T numbers; all 1 unless given", ge=0)
    kl_warmup: int = opt(0, "optimisation steps over which the factor grows from 0", ge=0)
    free_bits: float = opt(0.0, "bits of KL that cost nothing, per sample and step t (Kingma et al., 2016)", ge=0)
    optimizers: dict[str, Optimizer] = opt(
        {"denoiser": {"use": "adam", "lr": 2e-4}}, "of the update denoiser (with the encoder)"
    )

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A decoder_std, an encoder where there is a latent, a density, and one KL weight per step."""
        if self.decoder_std is None:
            yield (
                "use",
                "the bound is singular at t = 1, where p(x_0 | x_1, z) is a point: it needs a decoder_std",
                "decoder_std = 0.1, say",
            )
        if facts.latent is not None and self.encoder is None:
            yield (
                "use",
                "a latent needs an encoder to be inferred with",
                '[method.encoder] use = "conv", or model.latent = "none"',
            )
        if not facts.density:
            yield "use", "it needs a density p(x_{t-1} | x_t, z), which parametrization 'direct' does not have"
        if self.kl_weights and len(self.kl_weights) != facts.steps:
            have = f"{len(self.kl_weights)} factor{'s' if len(self.kl_weights) > 1 else ''}"
            yield "kl_weights", f"it has {have} for {facts.steps} steps", f"{facts.steps} numbers, for t = 1 to {facts.steps}"

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """Without a latent it is DDPM's bound; a step may have no weight."""
        if facts.latent is None:
            yield "use", "without a latent this is DDPM's variational bound: each step is unimodal"
        if self.reconstruction == "min-snr" and facts.alpha_T < NO_SIGNAL:
            yield "reconstruction", UNTAUGHT

    def deep_report(self, facts: Facts, parts: Mapping[str, Any]) -> Iterable[str]:
        """The latent budget of every step."""
        from gentoolkit.diffusion import latent_budget

        if facts.latent is None:
            return
        yield "what the latent can carry: ½ (SNR_{t-1} - SNR_t) E‖x_0 - E[x_0 | x_t]‖², in nats per sample"
        T = facts.steps
        shown = range(1, T + 1) if T <= MOST_LINES else {round(T ** (i / (MOST_LINES - 1))) for i in range(MOST_LINES)}
        for step in latent_budget(parts["process"], facts.mixture, self.decoder_std):
            if step.t not in shown:
                continue
            line = f"t = {step.t:<4} ½ (SNR_{{t-1}} - SNR_t) = {step.factor:.3g}"
            known = step.nats is not None and step.signal is not None
            yield f"{line}, at most {step.nats:.3g} nats, (SNR_{{t-1}} - SNR_t) λ_max = {step.signal:.3g}" if known else line

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A plan of one update over denoiser and encoder, with the terms rec and kl."""
        from .variational import plan

        return plan(self, parts)
