"""Samplers that walk down the step grid, one draw of x_s per step.

ancestral:  x_s ~ p_theta(x_s | x_t)                                                 (paper, Sec. 3.2)
ddim:       x_s = alpha_s x̂_0 + sqrt(sigma_s² - η² β̃) ε̂ + η sqrt(β̃) n               (Song et al., 2021a, Eq. 12)
fast-ddpm:  x_s ~ N(mean of q(x_s | x_t, x̂_0), β̃ or w)                              (Kong and Ping, 2021)

with β̃ and w those of the stride from t to s. x̂_0 may be clipped to [-1, 1] first, as Ho et al. (2020) do; ε̂ is then the noise
that the clipped one leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw, Gaussian, per_sample

from .paths import Path, following
from .state import State


class Walk:
    """The common part: start at the prior, follow the path, evaluate the network once per step.

    Args:
        visited: the steps of the path.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, visited: Path, clip: bool = False) -> None:
        self.path, self.clip = visited, clip

    def start(self, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> State:
        """x_T ~ the prior."""
        return State(self.path[-1], model.process.prior(shape, rng.scope("start")))

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path."""
        noise, after = rng.scope("t", state.t), following(self.path, state.t)
        t = torch.full((len(state.x),), state.t, device=state.x.device)
        s = torch.full_like(t, after)
        raw = model.raw(state.x, t, model.draw_z(noise), condition)
        x_0 = model.parametrization.x_0(raw, state.x, t) if hasattr(model.parametrization, "x_0") else None
        if self.clip and x_0 is not None:
            x_0 = x_0.clamp(-1, 1)
            # The output that means the clipped x_0; a learned variance stays what it was.
            eps = model.process.eps_from_x_0(x_0, state.x, t)
            raw = torch.cat([model.parametrization.target(x_0, eps, None, t), raw[:, x_0.shape[1] :]], dim=1)
        x_s = self.move(model, raw, x_0, state.x, t, s, noise)
        return State(after, x_s, x_0, state.evaluations + 1, state.t)

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s; here a draw of the model's own step."""
        x_s: Tensor = model.parametrization.step(raw, x_t, t, s, rng)
        return x_s


class DDIMWalk(Walk):
    """The walk with DDIM's mean and variance.

    Args:
        visited: the steps of the path.
        eta: 0 is deterministic, 1 the posterior.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, visited: Path, eta: float, clip: bool = False) -> None:
        super().__init__(visited, clip)
        self.eta = eta

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s from x̂_0; without noise if eta is 0."""
        if x_0 is None:
            raise ValueError("DDIM needs a parametrization that predicts x_0")
        q = model.process.ddim(x_0, x_t, t, s, self.eta)
        return q.mean if self.eta == 0 else q.rsample(rng, "posterior")


class FastWalk(Walk):
    """The walk with the variance of the shortened chain, whatever variance the model was trained with.

    Args:
        visited: the steps of the path.
        variance: `small` for the posterior's, `large` for the transition's.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, visited: Path, variance: str, clip: bool = False) -> None:
        super().__init__(visited, clip)
        self.variance = variance

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s from the posterior at x̂_0; x̂_0 itself at s = 0."""
        if x_0 is None:
            raise ValueError("fast-ddpm needs a parametrization that predicts x_0")
        q = model.process.posterior(x_0, x_t, t, s)
        if self.variance == "large":
            q = Gaussian(q.mean, per_sample(model.process.transition(t, s)[1] * (s > 0), x_t))
        return q.rsample(rng, "posterior")
