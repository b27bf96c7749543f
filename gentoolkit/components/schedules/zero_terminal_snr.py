"""DDPM's linear schedule, rescaled so that nothing of the data is left at the end (Lin et al., 2024, Algorithm 1).

    alpha_n' = alpha_1 (alpha_n - alpha_N) / (alpha_1 - alpha_N),    n = 1..N        alpha_n the linear schedule's

alpha_1 stays and alpha_N becomes 0. A grid of T < N steps selects native steps, as the linear schedule's does.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar

from gentoolkit.components.schedules import Schedule
from gentoolkit.components.schedules.linear import NATIVE, between, log_alpha_bar
from gentoolkit.registry import component, opt


@lru_cache(maxsize=8)
def alphas(beta_1: float, beta_N: float) -> tuple[float, ...]:
    """alpha_n for n = 0..N."""
    linear = [math.exp(log / 2) for log in log_alpha_bar(beta_1, beta_N)]
    first, last = linear[1], linear[NATIVE]
    return (1.0, *(first * ((alpha - last) / (first - last)) for alpha in linear[1:]))


@component
class ZeroTerminalSNR(Schedule):
    """DDPM's 1000 linear betas rescaled to end at an SNR of exactly 0, where eps cannot be predicted."""

    native_steps: ClassVar[int | None] = NATIVE

    beta_1: float = opt(1e-4, "beta of the first native step, which is kept", gt=0, lt=1)
    beta_N: float = opt(0.02, "beta of the last native step before rescaling", gt=0, lt=1)

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma); between native steps alpha is linear."""
        alpha = between(alphas(self.beta_1, self.beta_N), time, m)
        return alpha, m.sqrt((1 - alpha) * (1 + alpha))
