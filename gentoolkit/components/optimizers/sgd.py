"""Stochastic gradient descent with momentum μ, classical or Nesterov's.

b ← μ b + g,   θ ← θ - lr b        or, Nesterov,   θ ← θ - lr (g + μ b)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component, opt

from . import LRSchedule, Optimizer


@component
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for."""

    lr: float = opt(0.01, "learning rate", gt=0)
    momentum: float = opt(0.0, "share of the last step kept in the next", ge=0, lt=1)
    nesterov: bool = opt(False, "look ahead along the momentum")
    weight_decay: float = opt(0.0, "times the weights, added to the gradient", ge=0)
    lr_schedule: LRSchedule = opt("constant", "how the learning rate runs")

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Nesterov's step needs a momentum."""
        if self.nesterov and self.momentum == 0:
            yield "nesterov", "there is no momentum to look ahead along", "momentum = 0.9"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(parameters) -> torch.optim.SGD`."""
        from .factory import make

        name = "sgd" if self.nesterov else "momentum"
        return make(name, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
