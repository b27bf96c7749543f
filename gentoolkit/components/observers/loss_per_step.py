"""The loss at each denoising step t, as training goes on (paper, Fig. 10).

loss_per_step.csv    step, loss, t, value         (optimisation step, update/term, 1..T)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.registry import Facts, component, opt

from . import Observer


@component
class LossPerStep(Observer):
    """A table and a line chart of every loss at every denoising step t."""

    every: int = opt(1000, "steps between charts; the end of a run has one too", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The watcher of a run."""
        from .loss_table import LossTable

        return LossTable(self.every)
