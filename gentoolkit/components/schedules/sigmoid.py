"""The sigmoid schedule of Jabri et al. (2023), as Chen (2023) writes it: alpha² falls from 1 to 0 along a sigmoid.

    alpha² = (S(b) - S(u)) / (S(b) - S(a)),    u = a + (b - a) time,    a = start/tau,  b = end/tau,    S the sigmoid

With S(p) - S(q) = sinh((p - q)/2) / (2 cosh(p/2) cosh(q/2)) alpha² and sigma² are quotients without cancellation, exact at
both ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class Sigmoid(Schedule):
    """Sigmoid alpha_bar; a larger tau is nearer to a straight line, and alpha ends at exactly 0."""

    start: float = opt(-3.0, "where on the sigmoid time 0 lies, before it is divided by tau", ge=-20, le=20)
    end: float = opt(3.0, "where on the sigmoid time 1 lies, before it is divided by tau", ge=-20, le=20)
    tau: float = opt(1.0, "temperature; a smaller one spends more time near data and near noise", ge=0.1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The noise must grow."""
        if self.end <= self.start:
            yield "end", f"it must be larger than start = {self.start:g}"

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma)."""
        a, b = self.start / self.tau, self.end / self.tau
        here = math.sinh((b - a) / 2) * m.cosh((a + (b - a) * time) / 2)
        alpha_bar = m.sinh((b - a) * (1 - time) / 2) * math.cosh(a / 2) / here
        return m.sqrt(alpha_bar), m.sqrt(m.sinh((b - a) * time / 2) * math.cosh(b / 2) / here)
