"""A predictor's step down the grid, a corrector's steps at one level (Song et al., 2021b, Algorithms 2 to 5), for any schedule.

    ancestral:          x_s ~ p_theta(x_s | x_t)
    reverse diffusion:  x_s = (2 - a) x_t - (w/sigma_t) ε̂ + sqrt(w) n          a, w of q(x_t | x_s) = N(a x_s, w I)
    correction:         x += ε · score + sqrt(2 ε) n,    score = -ε̂/sigma_s,    ε = 2 (r sigma_s)²

Song et al. take ε = 2 (r |n|/|score|)², with norms averaged over the batch; |score| is about |n|/sigma, and with that in its
place a sample depends on no other one, and the step on no draw.
"""

from __future__ import annotations

from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw, per_sample

from .levels import noise_of, on_grid, predicted
from .paths import Path
from .posterior_steps import Walk
from .state import State


class CorrectedWalk(Walk):
    """The walk with Langevin steps after each step but the last.

    Args:
        visited: the steps of the path.
        predictor: `ancestral` or `reverse-diffusion`.
        corrections: Langevin steps at each level.
        snr: r.
        clip: whether x̂_0 is clipped to [-1, 1].
    """

    def __init__(self, visited: Path, predictor: str, corrections: int, snr: float, clip: bool = False) -> None:
        super().__init__(visited, clip)
        self.predictor, self.corrections, self.snr = predictor, corrections, snr

    def step(self, model: StepModel, state: State, rng: Draw, condition: Condition) -> State:
        """One step down the path, corrected."""
        down = super().step(model, state, rng, condition)
        if down.t == 0:
            return down
        x = down.x
        for k in range(self.corrections):
            x = self.corrected(model, x, down.t, rng.scope("t", state.t, "correction", k), condition)
        return State(down.t, x, down.x_0_hat, down.evaluations + self.corrections, down.before)

    def corrected(self, model: StepModel, x: Tensor, t: int, rng: Draw, condition: Condition) -> Tensor:
        """x after one Langevin step at level t."""
        level = on_grid(model.process, t)
        eps = noise_of(x, predicted(model, x, level, condition, self.clip), level)
        r = self.snr
        return (
            x - eps * (2 * r**2 * level.sigma) + rng.normal("langevin", tuple(x.shape[1:])).to(x.dtype) * (2 * r * level.sigma)
        )

    def move(self, model: StepModel, raw: Tensor, x_0: Tensor | None, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw) -> Tensor:
        """The predictor's x_s; x̂_0 at s = 0."""
        if self.predictor == "ancestral":
            return super().move(model, raw, x_0, x_t, t, s, rng)
        if x_0 is None:
            raise ValueError("the reverse diffusion needs a parametrization that predicts x_0")
        if int(s[0]) == 0:
            return x_0
        a, w = model.process.transition(t, s)
        sigma = model.process.alpha_sigma(t)[1]
        mean = per_sample(2 - a, x_t) * x_t - per_sample(w / sigma, x_t) * model.process.eps_from_x_0(x_0, x_t, t)
        return mean + per_sample(w.sqrt(), x_t) * rng.normal("posterior", tuple(x_t.shape[1:])).to(x_t.dtype)
