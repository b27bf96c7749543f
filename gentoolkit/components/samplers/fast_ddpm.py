"""The shortened chains of Kong and Ping (2021): DDPM's reverse process over a subset of its steps.

    x_s ~ N(mean of q(x_s | x_t, x̂_0), β̃)          β̃ of the stride t -> s, which may skip steps

With `spacing = "linear"` and `variance = "small"` it is `ancestral` with fewer steps, for a model of fixed-small variance. It
adds: strides that grow quadratically, and a variance that belongs to the shortened chain and not to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, STEPS_HELP, Sampler
from gentoolkit.registry import Facts, component, opt


@component
class FastDDPM(Sampler):
    """Posterior steps over a shortened chain: short strides near the data, and a variance of its own."""

    needs_x_0: ClassVar[bool] = True

    steps: int | None = opt(None, STEPS_HELP, ge=1)
    spacing: str = opt(
        "quadratic", "strides: equal, or short near the data and long near the noise", choices=("quadratic", "linear")
    )
    variance: str = opt("small", "of a stride: the posterior's (small) or the transition's (large)", choices=("small", "large"))
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `FastWalk`."""
        from .paths import path
        from .posterior_steps import FastWalk

        return FastWalk(path(facts.steps, self.steps, self.spacing), self.variance, self.clip)
