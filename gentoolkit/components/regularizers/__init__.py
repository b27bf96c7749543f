"""Regularizers of a discriminator: gradient penalties and their like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from gentoolkit.registry import Component, Facts


@dataclass(frozen=True, eq=False)
class Judged:
    """A pair of real and fake x_{t-1} as the discriminator has just judged them."""

    real: Any
    """`[B, *shape]`; requires grad where an active regularizer differentiates it."""
    fake: Any
    """Likewise."""
    real_logits: Any
    fake_logits: Any
    x_t: Any
    level: Any
    condition: Any
    exact: bool = True
    """Whether the logits were made in full precision."""


class Regularizer(Component):
    """`build` returns `term(discriminate, judged, rng) -> [B]`, where `discriminate(x_prev) -> logits` judges other points
    at the same x_t; it is called in full precision, whatever that of the run. `every` is the lazy interval in optimisation
    steps; with `scale_by_every` the term is multiplied by it
    (StyleGAN2 does, DDGAN does not).

    A regularizer that remembers builds an `nn.Module` without weights, whose buffers go into checkpoints, with two more
    methods: `statistics(judged) -> {name: [B]}`, asked in every step, and `follow({name: mean over the global batch})`."""

    slot: ClassVar[str] = "regularizer"

    every: Any
    scale_by_every: Any

    @property
    def lazy_scale(self) -> int:
        """What the term is multiplied by because it is lazy: `every` with `scale_by_every`, else 1."""
        return int(self.every) if self.scale_by_every else 1

    @property
    def second_order(self) -> bool:
        """Whether its gradient is a gradient of a gradient: an update with such a term runs without fused attention."""
        return False

    @property
    def differentiates(self) -> tuple[str, ...]:
        """Which of `Judged.real` and `Judged.fake` must require grad for it."""
        return ("real",) if self.second_order else ()

    def weight(self, facts: Facts) -> float | Callable[[int], float]:
        """Factor of the term; a function of the step where the strength changes over the training."""
        return 1.0

    @property
    def constant(self) -> bool:
        """Whether the strength is the same in every step, whatever the number of training steps."""
        return not callable(self.weight(Facts()))
