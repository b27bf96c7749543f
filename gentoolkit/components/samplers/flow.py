"""One-step methods on dx/dτ = alpha'(τ) x̂_0 + sigma'(τ) ε̂ (Song et al., 2021b, Eq. 13, in the terms of x̂_0 and ε̂).

    euler  k_1           heun  (k_1 + k_2)/2           rk4  (k_1 + 2 k_2 + 2 k_3 + k_4)/6

Slopes of alpha and sigma are differences of second order in float64, on either side where there is one. The last step gives x̂_0
itself.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw, GaussianForward

from .levels import Point, at_prior, between, noise_of, on_grid, predicted
from .paths import Path, following
from .state import State

NEAR = 5.1e-4
"""How far from the middle of a stride a step of the grid may lie to stand for it: half a native step of a discrete schedule."""


@frozen
class Slope:
    """A level, and how alpha and sigma change there."""

    point: Point
    alpha: float
    sigma: float


class Flow:
    """One, two or four evaluations per step, one in the last.

    Args:
        visited: the steps of the path.
        solver: `euler`, `heun` or `rk4`.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, visited: Path, solver: str, clip: bool) -> None:
        self.path, self.solver, self.clip = visited, solver, clip

    def start(self, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> State:
        """x_T ~ the prior."""
        return at_prior(model, shape, rng)

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path."""
        process, t, x = model.process, state.t, state.x
        s = following(self.path, t)
        x_0 = predicted(model, x, on_grid(process, t), condition, self.clip)
        if s == 0:
            return State(0, x_0, x_0, state.evaluations + 1, t)

        def speed(x: Tensor, at: Slope, x_0: Tensor | None = None) -> Tensor:
            if x_0 is None:
                x_0 = predicted(model, x, at.point, condition, self.clip)
            return x_0 * at.alpha + noise_of(x, x_0, at.point) * at.sigma

        dt = float(process.grid.time[s] - process.grid.time[t])
        here, there = slope(process, on_grid(process, t)), slope(process, on_grid(process, s))
        k_1 = speed(x, here, x_0)
        if self.solver == "euler":
            return State(s, x + k_1 * dt, x_0, state.evaluations + 1, t)
        if self.solver == "heun":
            k_2 = speed(x + k_1 * dt, there)
            return State(s, x + (k_1 + k_2) * (dt / 2), x_0, state.evaluations + 2, t)
        middle = slope(process, halfway(process, t, s))
        k_2 = speed(x + k_1 * (dt / 2), middle)
        k_3 = speed(x + k_2 * (dt / 2), middle)
        k_4 = speed(x + k_3 * dt, there)
        return State(s, x + (k_1 + 2 * k_2 + 2 * k_3 + k_4) * (dt / 6), x_0, state.evaluations + 4, t)


def halfway(process: GaussianForward, t: int, s: int) -> Point:
    """The level in the middle of a stride: a step of the grid if there is one, else a time between steps."""
    time = process.grid.time
    middle = float(time[t] + time[s]) / 2
    if (t + s) % 2 == 0 and abs(float(time[(t + s) // 2]) - middle) < NEAR:
        return on_grid(process, (t + s) // 2)
    return between(process, middle)


def slope(process: GaussianForward, point: Point) -> Slope:
    """Changes per unit of time."""
    time = float(process.grid.time[point.at]) if isinstance(point.at, int) else point.at
    h = 1e-4 * time if time > 0 else 1e-5
    if time > 0 and time + h <= 1:
        places, weights = [time - h, time + h], [-0.5, 0.5]
    else:
        h = -h if time > 0 else h
        places, weights = [time, time + h, time + 2 * h], [-1.5, 2.0, -0.5]
    alpha, sigma = process.alpha_sigma(torch.tensor(places, dtype=torch.float64))
    w = torch.tensor(weights, dtype=torch.float64) / h
    return Slope(point, float(alpha @ w), float(sigma @ w))
