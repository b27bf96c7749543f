"""Posterior parametrizations: what the network's output stands for, and how a step follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Component, Facts


class Parametrization(Component):
    """Makes p(x_{t-1} | x_t, z) of a network's raw output. `build` returns a `Posterior` (see `working.py`):

    `inputs(x_t, t) -> (x_in, level)`, `x_0(raw, x_t, t)`, `step(raw, x_t, t, s, rng)`, `distribution(raw, x_t, t, s)`,
    `target(x_0, eps, x_prev, t)`; s < t is the step that is drawn, t - 1 unless steps are skipped. What means x in `raw` comes
    first, as many channels as x has, and that is what `target` is compared with.
    """

    slot: ClassVar[str] = "parametrization"
    offers: ClassVar[tuple[str, ...]] = ("raw_channels", "target", "density")

    target: ClassVar[str] = "x_0"
    """What the network puts out: `x_0`, `eps`, `v`, `edm`, `x_prev`, or a plugin's own word."""
    density: ClassVar[bool] = True
    """Whether `distribution` exists."""

    def channels(self, facts: Facts) -> int:
        """Channels of the raw output; a learned variance doubles them."""
        return facts.shape[0] * (2 if getattr(self, "variance", None) == "learned" else 1)

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """What later parts know of the network's output."""
        return {"raw_channels": self.channels(facts), "target": self.target, "density": self.density}
