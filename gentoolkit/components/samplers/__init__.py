"""Samplers: ways to draw x_0 from a denoising model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Component, Facts

CLIP_HELP = "clip the predicted x_0 to [-1, 1] at each step, for images (Ho et al., 2020)"
STEPS_HELP = "steps taken, T or fewer; all T unless given"


class Sampler(Component):
    """`build` returns an object with `start(model, shape, rng, condition) -> State` and `step(model, state, rng,
    condition) -> State`; `states(...)` in `state.py` iterates over them. A caller may edit a state between two steps."""

    slot: ClassVar[str] = "sampler"

    needs_x_0: ClassVar[bool] = False
    """Whether it works on the predicted x_0, which `direct` does not have."""
    deterministic: ClassVar[bool] = False
    """Whether it needs a network without a latent."""

    steps: Any
    """Steps taken; None for all T of the training grid."""
    batch: Any
    """Samples per chunk. Part of the recipe, since it decides the rounding of every sample."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """x_0, its range, latent and number of steps against what the sampler needs."""
        if self.needs_x_0 and facts.target == "x_prev":
            yield "use", "it needs a predicted x_0, which parametrization 'direct' does not have", 'use sampler "ancestral"'
        if getattr(self, "clip", False) and facts.target == "x_prev":
            yield "clip", "parametrization 'direct' predicts no x_0 that could be clipped", "clip = false"
        elif getattr(self, "clip", False) and not facts.bounded:
            yield "clip", f"data '{facts.data}' goes beyond [-1, 1]", "clip = false"
        if self.deterministic and facts.latent is not None:
            yield (
                "use",
                f"it needs a network without a latent; the recipe has one of width {facts.latent}",
                'use sampler "ancestral"',
            )
        if self.steps is not None and self.steps > facts.steps:
            yield "steps", f"it cannot take {self.steps} steps on a grid of {facts.steps}", f"steps = {facts.steps} or fewer"
        if self.steps is not None and self.steps < facts.steps and facts.target == "x_prev":
            yield "steps", "parametrization 'direct' cannot skip steps", "leave steps out"
