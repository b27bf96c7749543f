"""DDPM: the Gaussian divergence of Ho et al. (2020) (paper, Eq. 3 and App. B)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.methods import Method
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class DDPM(Method):
    """Denoising diffusion with Gaussian steps (Ho et al., 2020)."""

    loss: str = opt(
        "simple",
        "simple: squared error of the network's output; vlb: the variational bound; min-snr: squared error of x_0 with "
        "weight min(SNR, gamma)",
        choices=("simple", "vlb", "min-snr"),
    )
    gamma: float = opt(5.0, "ceiling of the SNR weight under min-snr (Hang et al., 2023)", gt=0)
    decoder_std: float | None = opt(None, "deviation of the likelihood of x_0 at t = 1, under vlb", gt=0)
    optimizers: dict[str, Optimizer] = opt({"denoiser": {"use": "adam", "lr": 2e-4}}, "of the update denoiser")

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """vlb needs a density and a decoder_std; min-snr a predicted x_0."""
        if self.loss == "vlb" and self.decoder_std is None:
            yield "loss", "the bound is singular at t = 1, where p(x_0 | x_1) is a point", "decoder_std = 0.1, say"
        if not facts.density and self.loss != "simple":
            yield (
                "loss",
                f"'{self.loss}' needs a predicted x_0, which parametrization 'direct' does not have",
                'loss = "simple"',
            )

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """A latent is drawn but nothing teaches the network to use it."""
        if facts.latent is not None:
            yield "use", "ddpm fits a mean, so the network learns to ignore the latent"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A plan of one update with one term."""
        from .gaussian_steps import plan

        return plan(self, parts)
