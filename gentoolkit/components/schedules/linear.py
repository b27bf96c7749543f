"""The linear schedule of DDPM (Ho et al., 2020): beta_n from `beta_1` to `beta_N` in N native steps.

A grid of T < N steps *selects* alpha_bar at n = round(N t / T); betas are never rescaled.
"""

from __future__ import annotations

import math
from functools import lru_cache
from types import ModuleType
from typing import Any, ClassVar

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import component, opt

NATIVE = 1000


@lru_cache(maxsize=8)
def log_alpha_bar(first: float, last: float) -> tuple[float, ...]:
    """log alpha_bar_n for n = 0..N, by sums of log(1 - beta)."""
    terms = (math.log1p(-(first + (last - first) * i / (NATIVE - 1))) for i in range(NATIVE))
    total, table = 0.0, [0.0]
    for term in terms:
        total += term
        table.append(total)
    return tuple(table)


def between(table: tuple[float, ...], time: Any, m: ModuleType) -> Any:
    """A table over the native steps at `time` in [0, 1], linear between them."""
    position = time * NATIVE
    if m is math:
        low = min(int(position), NATIVE - 1)
        return table[low] + (position - low) * (table[low + 1] - table[low])
    values = m.tensor(table, dtype=m.float64, device=time.device)
    floor = position.floor().clamp(max=NATIVE - 1).long()
    return values[floor] + (position - floor) * (values[floor + 1] - values[floor])


@component
class Linear(Schedule):
    """DDPM's linear betas over 1000 native steps; fewer steps select from them."""

    native_steps: ClassVar[int | None] = NATIVE

    beta_1: float = opt(1e-4, "beta of the first native step", gt=0, lt=1)
    beta_N: float = opt(0.02, "beta of the last native step", gt=0, lt=1)

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma); between native steps log alpha_bar is linear."""
        log = between(log_alpha_bar(self.beta_1, self.beta_N), time, m)
        return m.exp(log / 2), m.sqrt(-m.expm1(log))
