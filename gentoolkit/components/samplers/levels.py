"""What the samplers that solve an equation have in common: levels as numbers, and the network's two answers at one.

    x̂_0(x, level)         ε̂ = (x - alpha x̂_0) / sigma

Coefficients are the same for all samples of a batch, so they are made on the host, in float64, and no device waits for them.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw, GaussianForward

from .state import State


@frozen
class Point:
    """A noise level at which a network can be asked: `x = alpha x_0 + sigma eps`."""

    at: int | float
    """A step of the grid, or a time in (0, 1] between its steps."""
    alpha: float
    sigma: float

    @property
    def ratio(self) -> float:
        """sigma/alpha: the noise of x/alpha, EDM's sigma."""
        return self.sigma / self.alpha


def on_grid(process: GaussianForward, t: int) -> Point:
    """The level of a step."""
    return Point(t, float(process.grid.alpha[t]), float(process.grid.sigma[t]))


def between(process: GaussianForward, time: float) -> Point:
    """The level of a time."""
    alpha, sigma = process.alpha_sigma(torch.tensor([time], dtype=torch.float64))
    return Point(time, float(alpha), float(sigma))


def predicted(model: StepModel, x: Tensor, point: Point, condition: Condition, clip: bool) -> Tensor:
    """x̂_0 `[B, *shape]` of a network without a latent."""
    dtype = torch.int64 if isinstance(point.at, int) else torch.float64
    t = torch.full((len(x),), point.at, device=x.device, dtype=dtype)
    x_0 = model.x_0_hat(x, t, None, condition)
    return x_0.clamp(-1, 1) if clip else x_0


def noise_of(x: Tensor, x_0: Tensor, point: Point) -> Tensor:
    """ε̂, the noise that x̂_0 leaves in x."""
    return x / point.sigma - x_0 * (point.alpha / point.sigma)


def through(x: Tensor, x_0: Tensor, here: Point, there: Point) -> Tensor:
    """x at another level with the same x̂_0 and ε̂: DDIM's step (eta = 0). Finite at alpha = 0."""
    kept = there.sigma / here.sigma
    return x * kept + x_0 * (there.alpha - kept * here.alpha)


def at_prior(model: StepModel, shape: tuple[int, ...], rng: Draw) -> State:
    """x_T ~ the prior."""
    return State(model.process.T, model.process.prior(shape, rng.scope("start")))
