"""DDPM: the Gaussian divergence of Ho et al. (2020) (paper, Eq. 3 and App. B)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.methods import NO_SIGNAL, UNTAUGHT, Method
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class DDPM(Method):
    """Denoising diffusion with Gaussian steps (Ho et al., 2020)."""

    loss: str = opt(
        "simple",
        "simple: squared error of the network's output; vlb: the variational bound; min-snr: squared error of x_0 with "
        "weight min(SNR, gamma); p2: squared error of eps with weight (k + SNR)^-gamma; hybrid: simple, and the bound for a "
        "learned variance",
        choices=("simple", "vlb", "min-snr", "p2", "hybrid"),
    )
    gamma: float = opt(5.0, "ceiling of the SNR weight under min-snr (Hang et al., 2023)", gt=0)
    p2_gamma: float = opt(1.0, "exponent of p2's weight; 0 is simple on eps (Choi et al., 2022)", ge=0)
    p2_k: float = opt(1.0, "offset of p2's weight", gt=0)
    vlb_weight: float = opt(1e-3, "factor of the bound, in nats per dimension over all T steps, under hybrid", gt=0)
    decoder_std: float | None = opt(None, "deviation of the likelihood of x_0 at t = 1, under vlb and hybrid", gt=0)
    optimizers: dict[str, Optimizer] = opt({"denoiser": {"use": "adam", "lr": 2e-4}}, "of the update denoiser")

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The bound needs a density and a decoder_std, weights a predicted x_0, a learned variance a bound to learn from."""
        if self.loss in ("vlb", "hybrid") and self.decoder_std is None:
            yield "loss", "the bound is singular at t = 1, where p(x_0 | x_1) is a point", "decoder_std = 0.1, say"
        if not facts.density and self.loss != "simple":
            yield (
                "loss",
                f"'{self.loss}' needs a predicted x_0, which parametrization 'direct' does not have",
                'loss = "simple"',
            )
            return
        learned = facts.raw_channels == 2 * facts.shape[0]
        if self.loss == "hybrid" and not learned:
            yield (
                "loss",
                "the bound in it teaches a variance, and this one is fixed",
                'model.parametrization.variance = "learned"',
            )
        if self.loss not in ("vlb", "hybrid") and learned:
            yield "loss", f"'{self.loss}' does not teach the variance, which is to be learned", 'loss = "hybrid" or "vlb"'

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """A latent is drawn but nothing teaches the network to use it; a step may have no weight."""
        if facts.latent is not None:
            yield "use", "ddpm fits a mean, so the network learns to ignore the latent"
        if self.loss in ("min-snr", "p2") and facts.alpha_T < NO_SIGNAL:
            yield "loss", UNTAUGHT

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A plan of one update with one term, two under hybrid."""
        from .gaussian_steps import plan

        return plan(self, parts)
