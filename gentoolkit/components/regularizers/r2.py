"""R2 (Mescheder et al., 2018): gamma/2 ‖∇_{x_{t-1}} D(x_{t-1}, x_t, t)‖² on fake pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Complaint, Facts, component, opt

from .annealing import DECAYS, annealed, annealing_fits


@component
class R2(Regularizer):
    """Gradient penalty on the logits of fake pairs, with respect to x_{t-1} alone; beside R1, as a rule."""

    gamma: float = opt(1.0, "strength", ge=0)
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
        """The fake points."""
        return ("fake",)

    def weight(self, facts: Facts) -> float | Callable[[int], float]:
        """From 1 to final / gamma."""
        return annealed(self.gamma, self.final, self.decay, facts.training_steps)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """There must be a way from gamma to final."""
        yield from annealing_fits(self.gamma, self.final, self.decay)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`term(discriminate, judged, rng) -> [B]`."""
        from functools import partial

        from .penalties import r2

        return partial(r2, gamma=self.gamma * self.lazy_scale)
