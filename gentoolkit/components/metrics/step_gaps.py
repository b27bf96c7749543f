"""Draws of the model's steps beside the oracle's; what is measured is said in `denoising_gap.py`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.model import StepModel
from gentoolkit.diffusion import Draw, MixtureOracle
from gentoolkit.registry import Facts

from .timing import some_condition

KEY = "denoising-gap"


class StepGaps:
    """Energy distances per t.

    Args:
        points: x_t at each t.
        draws: of x_{t-1} from each.
        steps: values of t at most.
    """

    def __init__(self, points: int, draws: int, steps: int) -> None:
        self.points, self.draws, self.steps = points, draws, steps
        self.protocol = f"{KEY}/not-measured"

    @torch.no_grad()
    def measure(self, model: StepModel, sampler: Any, facts: Facts) -> dict[str, float]:
        """`gap_tN` for the chosen t, `gap` their mean, and `floor`: the largest that the oracle has to itself, by chance."""
        assert facts.mixture is not None
        weight = next(model.parameters())
        oracle = MixtureOracle.of(model.process, facts.mixture)
        rows = self.points * self.draws
        training = model.training
        model.eval()
        gaps: dict[str, float] = {}
        floors: list[float] = []
        try:
            for t in spread(facts.steps, self.steps):
                rng = Draw((KEY, t), 0, self.points)
                here = torch.full((self.points,), t)
                x_0 = oracle.draw_x_0(rng)
                x_t = oracle.process.marginal(x_0, here, rng.normal("eps", tuple(x_0.shape[1:])).double())
                many = x_t.repeat_interleave(self.draws, 0)
                at = torch.full((rows,), t)
                exact, again = (oracle.step(many, at, at - 1, Draw((KEY, t, who), 0, rows)) for who in ("exact", "again"))
                drawn = Draw((KEY, t, "model"), 0, rows, weight.device, weight.dtype)
                there = at.to(weight.device)
                found = model.step(many.to(weight), there, there - 1, drawn, some_condition(facts, drawn))
                gaps[f"gap_t{t}"] = gap(self._by_point(found.cpu().double()), self._by_point(exact))
                floors.append(abs(gap(self._by_point(again), self._by_point(exact))))
        finally:
            model.train(training)
        self.protocol = f"{KEY}/energy/{facts.data}/{self.points}x{self.draws}/{len(gaps)}-of-{facts.steps}"
        return {**gaps, "gap": sum(gaps.values()) / len(gaps), "floor": max(floors)}

    def _by_point(self, x: Tensor) -> Tensor:
        return x.reshape(self.points, self.draws, -1)


def spread(T: int, steps: int) -> list[int]:
    """At most `steps` of 1, ..., T, evenly, with both ends."""
    if steps >= T:
        return list(range(1, T + 1))
    return [1] if steps == 1 else [1 + round(i * (T - 1) / (steps - 1)) for i in range(steps)]


def gap(p: Tensor, q: Tensor) -> float:
    """Energy distance of draws `[n, k, D]` from others, each row from its like, over its largest value; without bias."""
    k = p.shape[1]
    between = 2 * torch.cdist(p, q).mean((1, 2))
    within = sum(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sum((1, 2)) / (k * (k - 1)) for x in (p, q))
    total = float(between.sum())
    return float((between - within).sum()) / total if total else 0.0
