"""Adam and AdamW (Kingma, Ba, 2015; Loshchilov, Hutter, 2019), g the gradient of the loss.

    m ← β1 m + (1 - β1) g,   v ← β2 v + (1 - β2) g²,   θ ← θ - lr m̂ / (√v̂ + eps)

`weight_decay` λ is added as λθ to g by Adam, and taken off as lr λθ by AdamW.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.registry import Facts, component, opt

from . import LRSchedule, Optimizer


@component
class Adam(Optimizer):
    """Adam; the paper trains with betas = [0.5, 0.9]."""

    lr: float = opt(2e-4, "learning rate", gt=0)
    betas: tuple[float, float] = opt((0.9, 0.999), "decay of the averages of the gradient and of its square", ge=0, lt=1)
    eps: float = opt(1e-8, "added to the root of the average square", gt=0)
    weight_decay: float = opt(0.0, "times the weights, added to the gradient", ge=0)
    lr_schedule: LRSchedule = opt("constant", "how the learning rate runs")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(parameters) -> torch.optim.Adam`."""
        from .factory import make

        return make("adam", lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)


@component
class AdamW(Optimizer):
    """Adam with decoupled weight decay."""

    lr: float = opt(2e-4, "learning rate", gt=0)
    betas: tuple[float, float] = opt((0.9, 0.999), "decay of the averages of the gradient and of its square", ge=0, lt=1)
    eps: float = opt(1e-8, "added to the root of the average square", gt=0)
    weight_decay: float = opt(0.01, "share of the weights taken off in each step, times lr", ge=0)
    lr_schedule: LRSchedule = opt("constant", "how the learning rate runs")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(parameters) -> torch.optim.AdamW`."""
        from .factory import make

        return make("adamw", lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)
