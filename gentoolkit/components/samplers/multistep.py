"""DPM-Solver++ (2M), Lu et al. (2022b), Algorithm 2, for any schedule. With λ = log(alpha/sigma), h = λ_s - λ_t and the
prediction before, D_p at λ_p:

    x_s = (sigma_s/sigma_t) x_t + alpha_s ∫_0^h e^{u-h} x̂_0(λ_t + u) du,     x̂_0(λ_t + u) ≈ D_t + (u / (λ_t - λ_p)) (D_t - D_p)

    midpoint:  (1 - e^{-h}) (D_t + h/2 · slope)          exact:  (1 - e^{-h}) D_t + (h - 1 + e^{-h}) · slope

The first step has no prediction before it, and a step to s = 0, where h is infinite, cannot follow a line: they are of first
order, so the last one gives x̂_0 itself. At alpha_T = 0 λ is -∞, and the formulas are written so that nothing is divided by it.
"""

from __future__ import annotations

import math

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw

from .levels import Point, at_prior, on_grid, predicted, through
from .paths import Levels, following
from .state import State


class Multistep:
    """One evaluation per step; what it remembers is in the state.

    Args:
        levels: the path.
        rule: `midpoint` or `exact`.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, levels: Levels, rule: str, clip: bool) -> None:
        self.levels, self.rule, self.clip = levels, rule, clip

    def start(self, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> State:
        """x_T ~ the prior."""
        return at_prior(model, shape, rng)

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path."""
        process, t = model.process, state.t
        s = following(self.levels.of(process), t)
        here, there = on_grid(process, t), on_grid(process, s)
        x_0 = predicted(model, state.x, here, condition, self.clip)
        x_s = through(state.x, x_0, here, there)
        if s > 0 and state.before is not None and state.before > t and state.x_0_hat is not None:
            slope = self.along(on_grid(process, state.before), here, there)
            x_s = x_s + (x_0 - state.x_0_hat) * slope
        return State(s, x_s, x_0, state.evaluations + 1, t)

    def along(self, before: Point, here: Point, there: Point) -> float:
        """What D_t - D_p is multiplied with; 0 where λ_p is -∞."""
        if before.alpha == 0:
            return 0.0
        h, h_before = log_ratio(there, here), log_ratio(here, before)
        share = -math.expm1(-h) * h / 2 if self.rule == "midpoint" else h + math.expm1(-h)
        return there.alpha * share / h_before


def log_ratio(one: Point, other: Point) -> float:
    """λ of one level minus that of another."""
    return math.log(other.ratio / one.ratio)
