"""What a model makes of one noisy observation: draws of x_0 given a fixed x_t   (the paper's Fig. 8 and 14).

    x_t = alpha_t x_0 + sigma_t eps            x_0 real, the same eps at every t
    step:   x_0 ~ G(x_t, z, t), a z each       what the paper shows; of few-step models, not sharp above t = 1
    walk:   the sampler's walk from x_t on     what the model as a whole says of x_0; comparable between all models

gentoolkit.draws("runs/digits", 2, k=6).picture().save("draws.png")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from attrs import frozen
from PIL import Image
from torch import Tensor

from gentoolkit.components.model import Condition
from gentoolkit.components.pictures import extent, scatter, table, tiles
from gentoolkit.components.samplers.state import State
from gentoolkit.diffusion import Draw
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import Facts, GentoolError

from .opened import opened, some_real
from .strip import PANEL, size

WAYS = ("step", "walk")
MOST = 4
"""Steps t that are shown unless they are named."""


@frozen(eq=False)
class Draws:
    """Draws of x_0 from k noises each, for n real samples at R steps."""

    by: str
    """`step` or `walk`."""
    t: tuple[int, ...]
    """The steps, ascending."""
    x_0: Tensor
    """The real samples `[n, *shape]`."""
    y: Tensor | None
    """Their classes `[n]`, where the model is conditioned on them."""
    x_t: Tensor
    """`[R, n, *shape]`."""
    drawn: Tensor
    """`[R, n, k, *shape]`."""
    facts: Facts
    scale: Tensor
    """How much larger than data each x_t is, `[R]`; pictures show it at the size of data."""

    def picture(self) -> Image.Image:
        """A row for each real sample and t: x_0, x_t, the draws; of points a scatter plot of all draws."""
        n, k = self.drawn.shape[1:3]
        shown = self.x_t / self.scale.to(self.x_t.dtype).reshape(-1, *[1] * (self.x_t.dim() - 1))
        names, labels = ["x_0", "x_t"], [f"t = {t}" for _ in range(n) for t in self.t]
        means = None if self.facts.mixture is None else self.facts.mixture["means"]
        far = 1.0 if self.facts.kind == "image" else max(extent(self.x_0, means), extent(self.drawn.flatten(0, 2)))
        rows = []
        for i in range(n):
            for r in range(len(self.t)):
                given = (self.x_0[i][None], shown[r, i][None], self.drawn[r, i])
                if self.facts.kind == "image":
                    rows.append(tiles(torch.cat(given)))
                else:
                    rows.append([scatter(x, means, PANEL, far) for x in given])
        words = {"step": "one step of the network, a latent each", "walk": "the rest of the walk, a noise each"}
        names += [str(j + 1) for j in range(k)] if self.facts.kind == "image" else [f"{k} draws"]
        return table(rows, names, labels, f"p(x_0 | x_t): {words[self.by]}", group=len(self.t))


@torch.no_grad()
def draws(
    run: TrainedRun | str | Path,
    n: int = 2,
    seed: int = 0,
    k: int = 6,
    t: Sequence[int] | None = None,
    by: str | None = None,
) -> Draws:
    """Draws of x_0 given the noisy versions x_t of real samples, with the class of each where the model is conditioned.

    Args:
        run: an opened run, or its folder.
        n: real samples.
        seed: of the choice of real samples, and of all noise.
        k: draws for each x_t.
        t: steps, from 1 to T; up to four, evenly spaced, unless given.
        by: `step`, which needs a latent and a predicted x_0, or `walk`; `step` unless given, where it can be.

    Raises:
        GentoolError: a number or the way is none, or the data cannot be opened.
    """
    run = opened(run)
    n, seed = whole_number(n, "the number of real samples", 1), whole_number(seed, "a seed", 0)
    k = whole_number(k, "the number of draws", 1)
    by, steps = way(run, by), steps_of(run, t)
    model, first = run.model, next(run.model.parameters())
    x_0, y = some_real(run, n, seed)
    labels = y if run.facts.classes is not None else None
    condition = Condition(y=None if labels is None else labels.to(first.device))
    x = x_0.to(first.device, first.dtype)
    eps = Draw((seed, "draws"), 0, n, first.device, first.dtype).normal("eps", run.facts.shape)
    observed, drawn = [], []
    for at in steps:
        here = torch.full((n,), at, device=first.device)
        x_t = model.process.marginal(x, here, eps)
        observed.append(x_t.cpu())
        found = []
        for j in range(k):
            rng = Draw((seed, "draws", at, j), 0, n, first.device, first.dtype)
            if by == "step":
                found.append(model.x_0_hat(x_t, here, model.draw_z(rng), condition).cpu())
                continue
            state = State(at, x_t)
            while state.t > 0:
                state = run.sampler.step(model, state, rng, condition)
            found.append(state.x.cpu())
        drawn.append(torch.stack(found, 1))
    scale = size(model.process, steps)
    return Draws(by, steps, x_0, labels, torch.stack(observed), torch.stack(drawn), run.facts, scale)


def way(run: TrainedRun, by: str | None) -> str:
    """How x_0 is drawn.

    Raises:
        GentoolError: it is no way, or cannot be gone with this model.
    """
    whole = run.facts.latent is not None and hasattr(run.model.parametrization, "x_0")
    if by is None:
        return "step" if whole else "walk"
    if by not in WAYS:
        raise GentoolError(f"draws of x_0 are made by {' or by '.join(WAYS)}, not by {by!r}")
    if by == "step" and not whole:
        lacks = "no latent" if run.facts.latent is None else f"parametrization '{run.recipe.model.parametrization.name}'"
        raise GentoolError(f"with {lacks} one step of the network says one thing of x_t, or nothing of x_0; draw by 'walk'")
    return by


def steps_of(run: TrainedRun, t: Sequence[int] | None) -> tuple[int, ...]:
    """The steps t that are shown, ascending.

    Raises:
        GentoolError: they are none of the model's.
    """
    T = run.facts.steps
    if t is None:
        rows = min(T, MOST)
        return tuple(round(T * r / rows) for r in range(1, rows + 1))
    steps = sorted({whole_number(one, "a step t", 1) for one in t})
    if not steps or steps[-1] > T:
        raise GentoolError(f"steps t are one or more of 1 to {T}, not {', '.join(map(str, t)) or 'none'}")
    return tuple(steps)
