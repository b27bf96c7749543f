"""The few-step posterior sampling of the paper; ancestral sampling of DDPM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.samplers import CLIP_HELP, Sampler
from gentoolkit.registry import Facts, component, opt


@component
class Ancestral(Sampler):
    """x_s ~ p(x_s | x_t), step by step, the last one noiseless."""

    steps: int | None = opt(None, "steps taken, T or fewer; all T unless given", ge=1)
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Walk`."""
        from .paths import path
        from .posterior_steps import Walk

        return Walk(path(facts.steps, self.steps), self.clip)
