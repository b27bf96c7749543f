"""LeCam regularization (Tseng et al., 2021, Eq. 4): gamma ( (D(x_{t-1}) - a_fake)² + (D(x'_{t-1}) - a_real)² ),

a_real and a_fake moving averages of the discriminator's logits on real and fake pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Facts, component, opt


@component
class LeCam(Regularizer):
    """Pulls the logits of real pairs to the average of fake ones and back; for few data."""

    gamma: float = opt(0.01, "strength, the paper's lambda", ge=0)
    average: float = opt(0.99, "share of the old averages kept in each step", ge=0, lt=1)
    every: int = opt(1, "steps from one term to the next; the averages follow in each", ge=1)
    scale_by_every: bool = opt(False, "multiply by `every`")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `LogitAverages`."""
        from .logit_averages import LogitAverages

        return LogitAverages(self.gamma * self.lazy_scale, self.average)
