"""Samplers that walk down the step grid, one draw of x_s per step.

ancestral:  x_s ~ p_theta(x_s | x_t)                                                 (paper, Sec. 3.2)
ddim:       x_s = alpha_s x̂_0 + sqrt(sigma_s² - η² β̃) ε̂ + η sqrt(β̃) n               (Song et al., 2021a, Eq. 12)

x̂_0 may be clipped to [-1, 1] first, as Ho et al. (2020) do; ε̂ is then the noise that the clipped one leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw

from .state import State, path


class Walk:
    """The common part: start at the prior, follow the path, evaluate the network once per step.

    Args:
        T: steps of the training grid.
        steps: steps taken; None for all.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, T: int, steps: int | None, clip: bool = False) -> None:
        self.T, self.next, self.clip = T, path(T, steps), clip

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
        if self.clip and x_0 is not None:
            x_0 = x_0.clamp(-1, 1)
            # The output that means the clipped x_0; a learned variance stays what it was.
            eps = model.process.eps_from_x_0(x_0, state.x, t)
            raw = torch.cat([model.parametrization.target(x_0, eps, None, t), raw[:, x_0.shape[1] :]], dim=1)
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
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, T: int, steps: int | None, eta: float, clip: bool = False) -> None:
        super().__init__(T, steps, clip)
        self.eta = eta

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """x_s from x̂_0; without noise if eta is 0."""
        if x_0 is None:
            raise ValueError("DDIM needs a parametrization that predicts x_0")
        q = model.process.ddim(x_0, x_t, t, s, self.eta)
        return q.mean if self.eta == 0 else q.rsample(rng, "posterior")
