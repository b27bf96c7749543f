"""Conditional VAE denoising: the integral of Eq. 5 trained by an ELBO (footnote 1 of the paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.encoders import Encoder
from gentoolkit.components.methods import Method
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.registry import Complaint, Facts, component, opt


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
    kl_weight: float = opt(1.0, "factor of KL(r ‖ p(z)); 1 is the bound", ge=0)
    kl_warmup: int = opt(0, "steps over which the factor grows from 0", ge=0)
    optimizers: dict[str, Optimizer] = opt(
        {"denoiser": {"use": "adam", "lr": 2e-4}}, "of the update denoiser (with the encoder)"
    )

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A decoder_std, an encoder where there is a latent, and a density."""
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

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """Without a latent it is DDPM's bound."""
        if facts.latent is None:
            yield "use", "without a latent this is DDPM's variational bound: each step is unimodal"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A plan of one update over denoiser and encoder, with the terms rec and kl."""
        from .variational import plan

        return plan(self, parts)
