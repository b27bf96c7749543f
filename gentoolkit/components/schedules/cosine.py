"""The cosine schedule of Nichol and Dhariwal (2021), Eq. 17.

    alpha = cos(θ) / cos(θ_0),   θ = (time + s)/(1 + s) · π/2,   θ_0 = θ at time 0,   sigma² = 1 - alpha²

Written as sigma² = sin(θ - θ_0) sin(θ + θ_0) / cos²(θ_0), which is exact near time 0.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import component, opt


@component
class Cosine(Schedule):
    """Cosine alpha_bar of Improved DDPM; alpha ends at 0 to rounding."""

    s: float = opt(0.008, "offset that keeps the first betas from vanishing", ge=0)

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma)."""
        first = self.s / (1 + self.s) * math.pi / 2
        angle = (time + self.s) / (1 + self.s) * math.pi / 2
        return m.cos(angle) / math.cos(first), m.sqrt(m.sin(angle - first) * m.sin(angle + first)) / math.cos(first)
