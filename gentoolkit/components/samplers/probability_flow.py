"""The probability-flow equation of Song et al. (2021b, Eq. 13), solved in the schedule's own time by a method of fixed order.

    dx/dτ = alpha'(τ) x̂_0(x, τ) + sigma'(τ) ε̂(x, τ)

`ddim` and `heun` solve the same equation for x/alpha in sigma/alpha, where a step of first order is exact as long as x̂_0 does
not change. Here time is the schedule's: nothing is divided by alpha, straight schedules are straight lines, and there is a
method of fourth order. With few steps `heun` and `dpm-solver++` are the better choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, STEPS_HELP, Sampler
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class ProbabilityFlow(Sampler):
    """The deterministic flow in the schedule's own time: Euler, Heun, or Runge-Kutta of fourth order."""

    needs_x_0: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    steps: int | None = opt(None, STEPS_HELP, ge=1)
    solver: str = opt(
        "heun", "order 1, 2 or 4, with as many evaluations in every step but the last", choices=("euler", "heun", "rk4")
    )
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """rk4 needs levels halfway down each stride."""
        from .paths import path

        if self.solver != "rk4" or facts.any_time or (self.steps or facts.steps) > facts.steps:
            return
        strides = [t - s for s, t in pairwise(path(facts.steps, self.steps))][1:]  # the last step looks nowhere else
        if facts.spacing != "even" or any(stride % 2 for stride in strides):
            said = "rk4 looks halfway down each stride, and the denoiser takes step numbers alone"
            half = facts.steps // 2
            even = facts.spacing == "even" and facts.steps % 2 == 0
            yield "solver", said, f'steps = {half}, or solver = "heun"' if even else 'solver = "heun"'

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Flow`."""
        from .flow import Flow
        from .paths import path

        return Flow(path(facts.steps, self.steps), self.solver, self.clip)
