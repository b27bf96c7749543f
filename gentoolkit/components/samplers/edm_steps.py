"""Heun's method on dy/dσ = ε̂ for y = x/alpha and σ = sigma/alpha: Karras et al. (2022), Algorithm 2, for any schedule.

    raise:    σ̂ = (1 + γ) σ_t,  y += sqrt(σ̂² - σ_t²) S_noise n,      γ = min(S_churn/N, sqrt(2) - 1) where S_min ≤ σ_t ≤ S_max
    predict:  y_s = y + (σ_s - σ̂) ε̂(y, σ̂)
    correct:  y_s = y + (σ_s - σ̂) ½ (ε̂(y, σ̂) + ε̂(y_s, σ_s))

The last step, to σ = 0, is neither raised nor corrected, and gives x̂_0 itself; nor is the first corrected where alpha_T
vanishes, since σ is infinite there. At t = T there is no more noise to be raised to. Without the correction it is
DDIM (eta = 0).
"""

from __future__ import annotations

import math

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw, GaussianForward

from .levels import Point, at_prior, between, noise_of, on_grid, predicted, through
from .paths import SMALLEST_ALPHA, Levels, following
from .state import State

MOST = math.sqrt(2) - 1
"""Largest γ: a step at most doubles the variance of the noise."""


@frozen
class Churn:
    """How much noise is added, and where; `total` is spread over all steps."""

    total: float
    low: float
    high: float
    noise: float


class HeunWalk:
    """Two evaluations per step, one in the last.

    Args:
        levels: the path.
        churn: what noise is added before a step.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, levels: Levels, churn: Churn, clip: bool) -> None:
        self.levels, self.churn, self.clip = levels, churn, clip

    def start(self, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> State:
        """x_T ~ the prior."""
        return at_prior(model, shape, rng)

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path."""
        process, visited = model.process, self.levels.of(model.process)
        s = following(visited, state.t)
        here, there = on_grid(process, state.t), on_grid(process, s)
        gamma = min(self.churn.total / (len(visited) - 1), MOST)
        x = state.x
        if s > 0 and gamma > 0 and state.t < process.T and self.churn.low <= here.ratio <= self.churn.high:
            x, here = self.raised(process, x, here, gamma, rng.scope("t", state.t))
        x_0 = predicted(model, x, here, condition, self.clip)
        x_s = through(x, x_0, here, there)
        if s == 0 or here.alpha < SMALLEST_ALPHA:
            return State(s, x_s, x_0, state.evaluations + 1, state.t)
        x_0_there = predicted(model, x_s, there, condition, self.clip)
        turn = noise_of(x_s, x_0_there, there) - noise_of(x, x_0, here)
        x_s = x_s + turn * (there.alpha * (there.ratio - here.ratio) / 2)
        return State(s, x_s, x_0, state.evaluations + 2, state.t)

    def raised(self, process: GaussianForward, x: Tensor, here: Point, gamma: float, rng: Draw) -> tuple[Tensor, Point]:
        """x with more noise, and its level; no more than the prior has."""
        up = level_of(process, (1 + gamma) * here.ratio)
        noise = rng.normal("churn", tuple(x.shape[1:])).to(x.dtype)
        deviation = self.churn.noise * math.sqrt(max(up.ratio**2 - here.ratio**2, 0.0))
        return (x / here.alpha + noise * deviation) * up.alpha, up


def level_of(process: GaussianForward, ratio: float, rounds: int = 5, pieces: int = 256) -> Point:
    """The level between t = 1 and t = T whose sigma/alpha is `ratio`: the range is cut to one of its pieces again and again."""
    low, high = float(process.grid.time[1]), float(process.grid.time[-1])
    for _ in range(rounds):
        times = torch.linspace(low, high, pieces + 1, dtype=torch.float64)
        alpha, sigma = process.alpha_sigma(times)
        found = int(torch.searchsorted(sigma / alpha, ratio).clamp(1, pieces))
        low, high = float(times[found - 1]), float(times[found])
    return between(process, high)
