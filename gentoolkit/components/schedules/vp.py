"""The variance-preserving schedule of the paper, Eq. 16.

alpha(u)² = exp(-½ (β_max - β_min) u² - β_min u),   sigma² = 1 - alpha²,   u = start + (1 - start) time
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import component, opt


@component
class VP(Schedule):
    """Variance-preserving diffusion of Song et al. (2021), the paper's Eq. 16."""

    beta_min: float = opt(0.1, "rate of noise at time 0", gt=0)
    beta_max: float = opt(20.0, "rate of noise at time 1", gt=0)
    start: float = opt(0.0, "time at which the grid starts; the authors' code uses 1e-3 and renormalises", ge=0, lt=1)

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma), renormalised so that time 0 is clean whatever `start`."""
        slope = self.beta_max - self.beta_min

        def log_alpha_bar(u: Any) -> Any:
            return -0.5 * slope * u**2 - self.beta_min * u

        log = log_alpha_bar(self.start + (1 - self.start) * time) - log_alpha_bar(self.start)
        return m.exp(log / 2), m.sqrt(-m.expm1(log))
