"""The learning rates of `lr_schedules.py` as timm schedulers, stateless in the step.

timm's warm-up runs from `warmup_lr_init` at step 0 to lr at step W; starting it at lr / (W + 1) wastes no step at rate 0. The
rate that a scheduler takes as lr is the optimizer's `initial_lr`, or its `lr` when the scheduler is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

Schedule = Callable[[Any], Any]


def constant(warmup_steps: int) -> Schedule:
    """`(optimizer) -> scheduler` of a rate that stays."""
    from timm.scheduler import MultiStepLRScheduler

    return lambda optimizer: MultiStepLRScheduler(optimizer, decay_t=[], **_warmup(optimizer, warmup_steps))


def cosine(steps: int, final: float, warmup_steps: int) -> Schedule:
    """`(optimizer) -> scheduler` of half a cosine down to `final` at step `steps - 1`."""
    from timm.scheduler import CosineLRScheduler

    # A run of two steps is no mistake; timm would call it one.
    logging.getLogger("timm.scheduler.cosine_lr").setLevel(logging.ERROR)
    fall = _fall(steps, warmup_steps)
    return lambda optimizer: CosineLRScheduler(optimizer, fall, lr_min=final, **_warmup(optimizer, warmup_steps))


def linear(steps: int, final: float, warmup_steps: int) -> Schedule:
    """`(optimizer) -> scheduler` of a line down to `final` at step `steps - 1`."""
    from timm.scheduler import PolyLRScheduler

    fall = _fall(steps, warmup_steps)
    return lambda optimizer: PolyLRScheduler(optimizer, fall, power=1.0, lr_min=final, **_warmup(optimizer, warmup_steps))


def _fall(steps: int, warmup_steps: int) -> int:
    return max(1, steps - 1 - warmup_steps)


def _warmup(optimizer: Any, warmup_steps: int) -> dict[str, Any]:
    group = optimizer.param_groups[0]
    start = group.get("initial_lr", group["lr"]) / (warmup_steps + 1)
    return {"warmup_t": warmup_steps, "warmup_lr_init": start, "warmup_prefix": True, "t_in_epochs": False}
