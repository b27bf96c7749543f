"""Samplers that walk down the step grid, one draw of x_s per step.

ancestral:  x_s ~ p_theta(x_s | x_t)                                                 (paper, Sec. 3.2)
ddim:       x_s = alpha_s x̂_0 + sqrt(sigma_s² - η² β̃) ε̂ + η sqrt(β̃) n               (Song et al., 2021a, Eq. 12)
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw

from .state import State, path


class Walk:
    """The common part: start at the prior, follow the path, evaluate the network once per step."""

    def __init__(self, T: int, steps: int | None) -> None:
        self.T, self.next = T, path(T, steps)

    def start(self, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> State:
        """x_T ~ the prior."""
        return State(self.T, model.process.prior(shape, rng.scope("start")))

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path."""
        noise = rng.scope("t", state.t)
        t = torch.full((len(state.x),), state.t, device=state.x.device)
        s = torch.full_like(t, self.next[state.t])
        raw = model.raw(state.x, t, model.draw_z(noise), condition)
        x_0 = model.parametrization.x_0(raw, state.x, t) if hasattr(model.parametrization, "x_0") else None
        x_s = self.move(model, raw, x_0, state.x, t, s, noise)
        return State(self.next[state.t], x_s, x_0, state.evaluations + 1)

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s; here a draw of the model's own step."""
        x_s: Tensor = model.parametrization.step(raw, x_t, t, s, rng)
        return x_s


class DDIMWalk(Walk):
    """The walk with DDIM's mean and variance.

    Args:
        T: steps of the training grid.
        steps: steps taken; None for all.
        eta: 0 is deterministic, 1 the posterior.
    """

    def __init__(self, T: int, steps: int | None, eta: float) -> None:
        super().__init__(T, steps)
        self.eta = eta

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s from x̂_0; without noise if eta is 0."""
        if x_0 is None:
            raise ValueError("DDIM needs a parametrization that predicts x_0")
        q = model.process.ddim(x_0, x_t, t, s, self.eta)
        return q.mean if self.eta == 0 else q.rsample(rng, "posterior")
