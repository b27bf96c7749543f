"""DDIM (Song et al., 2021a): non-Markovian steps that need no noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, Sampler
from gentoolkit.registry import Facts, component, opt


@component
class DDIM(Sampler):
    """Deterministic steps through the predicted x_0 (eta = 0), or partly random ones."""

    needs_x_0: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    steps: int | None = opt(None, "steps taken, T or fewer; all T unless given", ge=1)
    eta: float = opt(0.0, "0 is deterministic, 1 is ancestral sampling", ge=0, le=1)
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `DDIMWalk`."""
        from .paths import path
        from .posterior_steps import DDIMWalk

        return DDIMWalk(path(facts.steps, self.steps), self.eta, self.clip)
