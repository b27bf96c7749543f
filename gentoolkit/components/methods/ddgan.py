"""Denoising diffusion GAN: an adversarial divergence per denoising step (paper, Eq. 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.components.augmentations import Augmentation
from gentoolkit.components.discriminators import Discriminator
from gentoolkit.components.methods import Method
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Facts, component, opt

ADAM = {"use": "adam", "lr": 1e-4, "betas": [0.5, 0.9]}


@component
class DDGAN(Method):
    """Denoising diffusion GAN (Xiao et al., 2022): a conditional GAN models each denoising step."""

    discriminator: Discriminator = opt(help="the judge of a step")
    loss: str = opt("non-saturating", "adversarial loss", choices=("non-saturating", "hinge", "least-squares", "wasserstein"))
    critic_steps: int = opt(1, "discriminator updates per denoiser update, each on a batch of its own", ge=1)
    regularizers: dict[str, Regularizer] = opt({}, "penalties of the discriminator, by a name of yours")
    augmentations: dict[str, Augmentation] = opt(
        {}, "changes of what the discriminator sees, by a name of yours; in their order"
    )
    optimizers: dict[str, Optimizer] = opt(
        {"discriminator": ADAM, "denoiser": ADAM}, "of the updates discriminator and denoiser"
    )

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """Where the recipe is legal but unlikely to do what was meant."""
        if facts.latent is None and facts.steps > 1:
            yield "use", "without a latent each denoising step is deterministic up to the posterior's noise"
        if self.loss == "wasserstein" and not self.regularizers:
            yield "loss", "a Wasserstein critic needs a gradient penalty to be Lipschitz"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A plan of two updates: discriminator, denoiser."""
        from .adversarial import plan

        return plan(self, facts, parts)
