"""The gradient penalty of WGAN-GP (Gulrajani et al., 2017): gamma (‖∇ D(x̂)‖ - 1)² at x̂ = u x_{t-1} + (1 - u) x'_{t-1},
u ~ U[0, 1) for each sample, between a real and a fake one at the same x_t."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Complaint, Facts, component, opt

from .annealing import DECAYS, annealed, annealing_fits


@component
class WGANGP(Regularizer):
    """Gradient penalty that pulls the gradient's norm to 1 between real and fake points; for the Wasserstein loss."""

    gamma: float = opt(10.0, "strength, the paper's lambda", ge=0)
    final: float | None = opt(None, "strength in the last step; gamma throughout unless given", ge=0)
    decay: str = opt("cosine", "the way from gamma to final", choices=DECAYS)
    every: int = opt(1, "steps from one penalty to the next", ge=1)
    scale_by_every: bool = opt(False, "multiply by `every`")

    @property
    def second_order(self) -> bool:
        """Always."""
        return True

    @property
    def differentiates(self) -> tuple[str, ...]:
        """Neither the real nor the fake points: it has points of its own."""
        return ()

    def weight(self, facts: Facts) -> float | Callable[[int], float]:
        """From 1 to final / gamma."""
        return annealed(self.gamma, self.final, self.decay, facts.training_steps)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """There must be a way from gamma to final."""
        yield from annealing_fits(self.gamma, self.final, self.decay)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`term(discriminate, judged, rng) -> [B]`."""
        from functools import partial

        from .penalties import wgan_gp

        return partial(wgan_gp, gamma=self.gamma * self.lazy_scale)
