"""Learning rates as functions of the optimisation step s, 0 the first and S = steps - 1 the last; W warm-up steps.

s < W    lr (s + 1) / (W + 1)
s ≥ W    constant   lr
         cosine     final + (lr - final) (1 + cos πu) / 2,   u = (s - W) / (S - W)
         linear     final + (lr - final) (1 - u)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Facts, component, opt

from . import LRSchedule


@component
class Constant(LRSchedule):
    """The same rate in every step."""

    constant: ClassVar[bool] = True

    warmup_steps: int = opt(0, "steps over which the rate rises to its full height", ge=0)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(optimizer) -> scheduler`."""
        from .rates import constant

        return constant(self.warmup_steps)


@component
class Cosine(LRSchedule):
    """Half a cosine from the full rate to `final`, reached in the last step."""

    final: float = opt(0.0, "learning rate in the last step", ge=0)
    warmup_steps: int = opt(0, "steps over which the rate rises to its full height", ge=0)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The warm-up must end before the run does."""
        yield from warmup_fits(self.warmup_steps, facts)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(optimizer) -> scheduler`."""
        from .rates import cosine

        return cosine(facts.training_steps, self.final, self.warmup_steps)


@component
class Linear(LRSchedule):
    """A straight line from the full rate to `final`, reached in the last step."""

    final: float = opt(0.0, "learning rate in the last step", ge=0)
    warmup_steps: int = opt(0, "steps over which the rate rises to its full height", ge=0)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The warm-up must end before the run does."""
        yield from warmup_fits(self.warmup_steps, facts)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """`(optimizer) -> scheduler`."""
        from .rates import linear

        return linear(facts.training_steps, self.final, self.warmup_steps)


def warmup_fits(warmup_steps: int, facts: Facts) -> Iterable[Complaint]:
    """A complaint where the rate would not come down any more."""
    if warmup_steps and warmup_steps >= facts.training_steps - 1:
        yield (
            "warmup_steps",
            f"{warmup_steps} steps of warm-up leave none of training.steps = {facts.training_steps} to come down in",
        )
