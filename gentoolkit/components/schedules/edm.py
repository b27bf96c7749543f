"""The noise levels of Karras et al. (2022), Eq. 5: alpha = 1, and sigma^(1/rho) evenly spaced.

sigma = (sigma_min^(1/rho) + time (sigma_max^(1/rho) - sigma_min^(1/rho)))^rho

T steps have exactly the paper's T levels: t = 1 at sigma_min, t = T at sigma_max.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class EDM(Schedule):
    """Variance-exploding noise with more steps near the data; sampling starts from N(0, sigma_max²)."""

    sigma_min: float = opt(0.002, "noise at t = 1, in units of the data", ge=1e-6, le=1e6)
    sigma_max: float = opt(80.0, "noise at t = T, in units of the data", ge=1e-6, le=1e6)
    rho: float = opt(7.0, "1 spaces sigma evenly; a larger one puts more steps near the data", ge=1, le=100)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """sigma must grow."""
        if self.sigma_max <= self.sigma_min:
            yield "sigma_max", f"it must be larger than sigma_min = {self.sigma_min:g}"

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(1, sigma)."""
        first, last = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        sigma = (first * (1 - time) + last * time) ** self.rho
        return sigma * 0 + 1.0, sigma

    def prior_std(self) -> float:
        """sigma_max."""
        return self.sigma_max

    def times(self, steps: int, spacing: str) -> list[float]:
        """0 for the clean data, then (t - 1)/(T - 1), squared under quadratic spacing, for t = 1..T; a single step is 1."""
        if steps == 1:
            return [0.0, 1.0]
        return [0.0, *(((t - 1) / (steps - 1)) ** (2 if spacing == "quadratic" else 1) for t in range(1, steps + 1))]
