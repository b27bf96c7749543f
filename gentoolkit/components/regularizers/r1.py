"""R1 (Mescheder et al., 2018): gamma/2 ‖∇_{x_{t-1}} D(x_{t-1}, x_t, t)‖² on real pairs   (paper, App. C.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.regularizers import Regularizer
from gentoolkit.registry import Facts, component, opt


@component
class R1(Regularizer):
    """Gradient penalty on the logits of real pairs, with respect to x_{t-1} alone; lazy with `every` > 1."""

    second_order: ClassVar[bool] = True

    gamma: float = opt(1.0, "strength", ge=0)
    every: int = opt(1, "steps from one penalty to the next", ge=1)
    scale_by_every: bool = opt(False, "multiply by `every`, as StyleGAN2 does and DDGAN does not")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`term(discriminate, judged, rng) -> [B]`."""
        from functools import partial

        from .penalties import r1

        return partial(r1, gamma=self.gamma * (self.every if self.scale_by_every else 1))
