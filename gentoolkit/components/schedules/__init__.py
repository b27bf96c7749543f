"""Noise schedules: how fast data turns into noise, x_t = alpha x_0 + sigma eps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Schedule(Component):
    """One formula, `alpha_sigma(time, m)`, for time in [0, 1]: 0 is data, 1 is noise.

    `m` is the module whose `exp`, `sqrt`, `cos`, ... act on `time`: `math` for a float (the torch-free check), `torch`
    for a float64 tensor (the step grid, continuous times). alpha²/sigma² must fall strictly on (0, 1].
    """

    slot: ClassVar[str] = "schedule"
    offers: ClassVar[tuple[str, ...]] = ("alpha_T",)

    native_steps: ClassVar[int | None] = None
    """Number of steps a schedule is defined on, if it is not continuous: a grid of T steps then *selects* from them."""

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma) at `time`."""
        raise TypeError(f"schedule {type(self).__name__} has no alpha_sigma(time, m)")

    def prior_std(self) -> float:
        """Standard deviation of the prior that sampling starts from: 1, or sigma at time 1 where variance explodes."""
        return 1.0

    def times(self, steps: int, spacing: str) -> list[float]:
        """The times of t = 0..T: `t/T` (even) or `(t/T)²` (quadratic), on the nearest native step of a discrete schedule."""
        exact = [(t / steps) ** (2 if spacing == "quadratic" else 1) for t in range(steps + 1)]
        n = self.native_steps
        return exact if n is None else [round(n * time) / n for time in exact]

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The number of steps against a discrete schedule, and a signal that falls strictly."""
        times = self.times(facts.steps, facts.spacing)
        if self.native_steps is not None and any(one == two for one, two in zip(times, times[1:], strict=False)):
            asked = f"process.steps = {facts.steps} ({facts.spacing} spacing)"
            yield "use", f"it has {self.native_steps} steps; {asked} cannot be selected from them", "fewer process.steps"
            return
        last = math.inf
        for t, time in enumerate(times[1:], start=1):
            alpha, sigma = self.alpha_sigma(time, math)
            snr = (alpha / sigma) ** 2 if sigma > 0 else math.inf
            if not (0 <= snr < last):
                at = f"t = {t} of {facts.steps} (alpha {alpha:.3g}, sigma {sigma:.3g})"
                yield "use", f"its signal-to-noise ratio does not fall at {at}"
                return
            last = snr

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """alpha_T, which decides whether eps can be turned into x_0 at t = T."""
        return {"alpha_T": float(self.alpha_sigma(1.0, math)[0])}

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `diffusion.Curve`."""
        import torch

        from gentoolkit.diffusion import Curve

        return Curve(lambda time: self.alpha_sigma(time, torch), self.prior_std(), self.times)
