"""R1 (Mescheder et al., 2018): gamma/2 ‖∇_{x_{t-1}} D(x_{t-1}, x_t, t)‖² on real pairs   (paper, App. C.2).

Approximate R1 (Lin et al., 2025) puts a finite difference in a random direction in the gradient's place, and so needs no second
derivative: gamma/2 ((D(x + std n) - D(x)) / std)², n ~ N(0, I). Their weight is gamma / (2 std²) of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Complaint, Facts, component, opt

from .annealing import DECAYS, annealed, annealing_fits


@component
class R1(Regularizer):
    """Gradient penalty on the logits of real pairs, with respect to x_{t-1} alone; lazy with `every` > 1."""

    gamma: float = opt(1.0, "strength", ge=0)
    final: float | None = opt(None, "strength in the last step; gamma throughout unless given", ge=0)
    decay: str = opt("cosine", "the way from gamma to final", choices=DECAYS)
    approximate: bool = opt(False, "a finite difference in a random direction in place of the gradient")
    std: float = opt(0.01, "deviation of that direction, in units of x", gt=0)
    every: int = opt(1, "steps from one penalty to the next", ge=1)
    scale_by_every: bool = opt(False, "multiply by `every`, as StyleGAN2 does and DDGAN does not")

    @property
    def second_order(self) -> bool:
        """Unless it is approximate."""
        return not self.approximate

    def weight(self, facts: Facts) -> float | Callable[[int], float]:
        """From 1 to final / gamma."""
        return annealed(self.gamma, self.final, self.decay, facts.training_steps)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """There must be a way from gamma to final."""
        yield from annealing_fits(self.gamma, self.final, self.decay)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`term(discriminate, judged, rng) -> [B]`."""
        from functools import partial

        from .penalties import approximate_r1, r1

        gamma = self.gamma * self.lazy_scale
        return partial(approximate_r1, gamma=gamma, std=self.std) if self.approximate else partial(r1, gamma=gamma)
