"""Denoising strips: the states x_T, ..., x_0 of a walk, and what the model takes for x_0 at each of them.

gentoolkit.strip("runs/digits", 4).picture().save("strip.png")
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
from gentoolkit.components.samplers.state import states
from gentoolkit.diffusion import GaussianForward
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sampling import chunk_labels, sampling_draw, whole_number
from gentoolkit.registry import Facts

from .opened import opened

COLUMNS = 10
PANEL = 160
"""Pixels of a side of a scatter plot among others."""


@frozen(eq=False)
class Strip:
    """Walks of n samples, at K of their states."""

    t: tuple[int, ...]
    """T, ..., 0."""
    x: Tensor
    """The states `[K, n, *shape]` on the CPU; the last ones are the samples."""
    x_0_hat: Tensor | None
    """What x_0 was predicted to be at each state but the last, `[K - 1, n, *shape]`; None where nothing is predicted."""
    facts: Facts
    process: GaussianForward

    def picture(self) -> Image.Image:
        """A row of states for each sample, and one of predictions below it; of points a row of scatter plots for all.

        States that are larger than data, as those of a variance-exploding process, are shown at the size of data.
        """
        names = [f"t = {t}" for t in self.t]
        states = self.x / size(self.process, self.t).to(self.x.dtype).reshape(-1, *[1] * (self.x.dim() - 1))
        if self.facts.kind == "image":
            rows = [tiles(states[:, i]) for i in range(states.shape[1])]
            below = [] if self.x_0_hat is None else [tiles(self.x_0_hat[:, i]) for i in range(states.shape[1])]
        else:
            means = None if self.facts.mixture is None else self.facts.mixture["means"]
            limit = max(extent(states[0]), extent(states[-1], means))
            rows = [[scatter(x, means, PANEL, limit) for x in states]]
            below = [] if self.x_0_hat is None else [[scatter(x, means, PANEL, limit) for x in self.x_0_hat]]
        if not below:
            return table(rows, names, ["x_t"] * len(rows))
        pairs = [row for pair in zip(rows, below, strict=True) for row in pair]
        return table(pairs, names, ["x_t", "predicted x_0"] * len(rows), group=2)


def strip(
    run: TrainedRun | str | Path, n: int = 4, seed: int = 0, y: Sequence[int] | int | None = None, columns: int = COLUMNS
) -> Strip:
    """The walks of the first n samples of a seed, which are those of `run.sample(n, seed, y)`.

    Args:
        run: an opened run, or its folder.
        n: how many.
        seed: of the samples.
        y: classes, as in `run.sample`.
        columns: states that are kept of a walk at most; they are evenly spaced, x_T and x_0 among them.

    Raises:
        GentoolError: a number is none, or classes are asked of an unconditional model or do not fit.
    """
    run = opened(run)
    n, seed = whole_number(n, "the number of samples", 1), whole_number(seed, "a seed", 0)
    columns = whole_number(columns, "the number of columns", 2)
    found = [walk(run, number, n, seed, run.labels(n, y), columns) for number in range(-(-n // run.batch))]
    predicted = [p for _, _, p in found if p is not None]
    return Strip(
        t=found[0][0],
        x=torch.cat([x for _, x, _ in found], 1),
        x_0_hat=torch.cat(predicted, 1) if len(predicted) == len(found) else None,
        facts=run.facts,
        process=run.model.process,
    )


@torch.no_grad()
def walk(
    run: TrainedRun, number: int, n: int, seed: int, y: Tensor | None, columns: int
) -> tuple[tuple[int, ...], Tensor, Tensor | None]:
    """(t, states, predictions) of the samples of one chunk that are among the first n."""
    first, stop = number * run.batch, (number + 1) * run.batch
    labels = chunk_labels(run.facts, seed, first, stop, y, run.label_counts if y is None else None)
    rng = sampling_draw(seed, first, stop, run.model)
    condition = Condition(y=None if labels is None else labels.to(rng.device))
    kept: list[tuple[int, Tensor]] = []
    predictions: list[Tensor] = []
    complete, marks, T = True, columns - 1, 0
    for state in states(run.sampler, run.model, run.facts.shape, rng, condition):
        if len(predictions) < len(kept) and complete:  # the last state that was kept led here
            complete = state.x_0_hat is not None
            predictions += [] if state.x_0_hat is None else [state.x_0_hat[: n - first].cpu()]
        T = T or state.t
        if state.t * (columns - 1) <= marks * T:
            kept.append((state.t, state.x[: n - first].cpu()))
            marks = -(-state.t * (columns - 1) // T) - 1  # the next of the evenly spaced ones
    return tuple(t for t, _ in kept), torch.stack([x for _, x in kept]), torch.stack(predictions) if complete else None


def size(process: GaussianForward, t: Sequence[int]) -> Tensor:
    """How much larger than data a state is, `[K]`, 1 or more: the root of alpha² + sigma²."""
    alpha, sigma = process.alpha_sigma(torch.tensor(t))
    return (alpha**2 + sigma**2).sqrt().clamp(min=1)
