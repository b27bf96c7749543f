"""The variance-exploding schedule of Song et al. (2021): alpha = 1, sigma = sigma_min (sigma_max/sigma_min)^time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class Geometric(Schedule):
    """Variance-exploding noise, evenly spaced in log sigma; sampling starts from N(0, sigma_max²)."""

    sigma_min: float = opt(0.01, "noise just above time 0, in units of the data", ge=1e-6, le=1e6)
    sigma_max: float = opt(50.0, "noise at time 1, in units of the data", ge=1e-6, le=1e6)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """sigma must grow."""
        if self.sigma_max <= self.sigma_min:
            yield "sigma_max", f"it must be larger than sigma_min = {self.sigma_min:g}"

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(1, sigma)."""
        sigma = self.sigma_min * m.exp(time * math.log(self.sigma_max / self.sigma_min))
        return sigma * 0 + 1.0, sigma

    def prior_std(self) -> float:
        """sigma_max."""
        return self.sigma_max
