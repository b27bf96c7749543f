"""Strengths that fall over the training, as functions of the step s; u = s / (steps - 1).

cosine      final + (gamma - final) (1 + cos πu) / 2
geometric   gamma^(1-u) final^u
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from gentoolkit.registry import Complaint

DECAYS = ("cosine", "geometric")


def annealed(gamma: float, final: float | None, decay: str, steps: int) -> float | Callable[[int], float]:
    """The factor by which a strength `gamma` becomes `final` in the last of `steps` steps: 1 at first, `final / gamma` at the
    end; the number 1 without a `final`."""
    if final is None or gamma == 0:
        return 1.0
    ratio, last = final / gamma, max(1, steps - 1)

    def factor(step: int) -> float:
        u = min(step / last, 1.0)
        if decay == "geometric":
            return float(ratio**u)
        return ratio + (1 - ratio) * (1 + math.cos(math.pi * u)) / 2

    return factor


def annealing_fits(gamma: float, final: float | None, decay: str) -> Iterable[Complaint]:
    """Complaints where there is no way from `gamma` to `final`."""
    if final is not None and gamma == 0:
        yield "final", "a strength of 0 cannot change over the training", "a gamma above 0"
    elif final == 0 and decay == "geometric":
        yield "final", "a geometric decay never reaches 0", 'a final above 0, or decay = "cosine"'
