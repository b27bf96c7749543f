"""Optimizers and learning-rate schedules, over timm's factories."""

from __future__ import annotations

from typing import Any, ClassVar

from gentoolkit.registry import Component


class LRSchedule(Component):
    """`build` returns `(optimizer) -> timm scheduler`, whose `step_update(step)` sets the rate as a function of the step."""

    slot: ClassVar[str] = "lr_schedule"

    constant: ClassVar[bool] = False
    """Whether the rate is independent of the number of training steps, so that a finished run may be prolonged."""


class Optimizer(Component):
    """`build` returns `(parameters) -> torch optimizer`; parameters or (name, parameter) pairs."""

    slot: ClassVar[str] = "optimizer"

    lr: Any
    lr_schedule: Any
