"""The true and the learned q(x_{t-1} | x_t) of a Gaussian mixture, at one x_t for each step t   (the paper's Fig. 2).

    x_t = alpha_t x_0 + sigma_t eps,  x_0 ~ q(x_0),  the same x_0 and eps at every t
    true      the oracle's density on a mesh around its modes
    learned   draws of x_{t-1} from the model at this x_t

gentoolkit.denoising("runs/gaussians").picture().save("denoising.png")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from attrs import frozen
from PIL import Image
from torch import Tensor

from gentoolkit.components.model import Condition
from gentoolkit.components.pictures import chart, heat, scatter, table
from gentoolkit.diffusion import Draw, MixtureOracle
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import GentoolError

from .draws import steps_of
from .opened import opened

PANEL = 200
FAINTEST = 1e-3
"""Probability of a mode below which the mesh need not reach it."""
WIDE = 4
"""Standard deviations that the mesh reaches beyond the outermost mode."""
BINS = 60


@frozen(eq=False)
class Step:
    """One step t, at one x_t `[D]`, D = 1 or 2."""

    t: int
    x_t: Tensor
    axes: Tensor
    """The mesh: M values of each coordinate of x_{t-1}, `[D, M]`."""
    true: Tensor
    """Exact density on the mesh, `[M]` or `[M, M]`, the first coordinate first."""
    learned: Tensor
    """Draws of x_{t-1} from the model, `[m, D]`."""
    exact: Tensor
    """As many from the oracle."""


@frozen(eq=False)
class Denoising:
    """Steps of a model, ascending."""

    steps: tuple[Step, ...]

    def picture(self) -> Image.Image:
        """A column for each step: the true density, exact draws, and the model's; in one dimension curves."""
        names = [f"t = {step.t}" for step in self.steps]
        if len(self.steps[0].axes) == 1:
            return table([[curves(step) for step in self.steps]], names, (), TITLE)
        rows: list[list[Image.Image | None]] = [[], [], []]
        for step in self.steps:
            centre, half = step.axes.mean(1), float(step.axes[0, -1] - step.axes[0, 0]) / 2
            rows[0].append(heat(step.true, PANEL))
            for row, x in ((rows[1], step.exact), (rows[2], step.learned)):
                row.append(scatter(x - centre, None, PANEL, half))
        return table(rows, names, ["true density", "true draws", "the model's"], TITLE)


TITLE = "q(x_{t-1} | x_t) at one x_t for each t, and what the model makes of it; each panel around its modes"


def curves(step: Step) -> Image.Image:
    """Densities of a step in one dimension: the exact one, and those of the draws in bins."""
    axis = step.axes[0]
    low, high = float(axis[0]), float(axis[-1])
    width = (high - low) / BINS

    def density(x: Tensor) -> list[tuple[float, float]]:
        share = torch.histc(x.double(), BINS, low, high) / len(x) / width
        return [(low + (i + 0.5) * width, float(v)) for i, v in enumerate(share)]

    lines = {"true": list(zip(axis.tolist(), step.true.tolist(), strict=True)), "learned": density(step.learned[:, 0])}
    return chart(lines, f"x_t = {float(step.x_t[0]):.3g}", (320, 200))


@torch.no_grad()
def denoising(
    run: TrainedRun | str | Path,
    seed: int = 0,
    t: Sequence[int] | None = None,
    x_t: Sequence[float] | None = None,
    m: int = 1000,
    mesh: int = 201,
) -> Denoising:
    """The true and the learned step at one x_t for each t.

    Args:
        run: an opened run on a Gaussian mixture, or its folder.
        seed: of x_0 and of all noise.
        t: steps, from 1 to T; up to four, evenly spaced, unless given.
        x_t: where all steps are looked at, `[D]`; a noisy x_0 for each t unless given.
        m: draws of the model and of the oracle.
        mesh: points of each coordinate at which the density is known.

    Raises:
        GentoolError: the data are no mixture in one or two dimensions, or a number is none.
    """
    run = opened(run)
    mixture, D = run.facts.mixture, run.facts.shape[0]
    if mixture is None or run.facts.kind != "points" or D > 2:
        raise GentoolError(
            f"the true denoising step is known of Gaussian mixtures, drawn in one or two dimensions; data '{run.facts.data}' "
            f"gives {run.facts.kind} of shape {run.facts.shape}"
        )
    m, mesh = whole_number(m, "the number of draws", 1), whole_number(mesh, "the number of mesh points", 2)
    seed, steps = whole_number(seed, "a seed", 0), steps_of(run, t)
    if x_t is not None and len(x_t) != D:
        raise GentoolError(f"x_t has {D} coordinates, not {len(x_t)}")
    oracle = MixtureOracle.of(run.model.process, mixture)
    draw = Draw((seed, "denoising"), 0, 1, dtype=torch.float64)
    x_0, eps = oracle.draw_x_0(draw), draw.normal("eps", (D,))
    first = next(run.model.parameters())
    found = []
    for at in steps:
        one = torch.tensor([at])
        x = oracle.process.marginal(x_0, one, eps) if x_t is None else torch.tensor([list(x_t)], dtype=torch.float64)
        axes = window(oracle, x, at, mesh)
        points = torch.cartesian_prod(*axes).reshape(-1, D)
        many = torch.full((len(points),), at)
        true = oracle.log_prob(points, x.expand(len(points), -1), many, many - 1).exp()
        every = torch.full((m,), at)
        exact = oracle.step(x.expand(m, -1), every, every - 1, Draw((seed, "denoising", at, "true"), 0, m, dtype=torch.float64))
        here, rng = every.to(first.device), Draw((seed, "denoising", at, "model"), 0, m, first.device, first.dtype)
        given = x.expand(m, -1).to(first.device, first.dtype)
        learned = run.model.step(given, here, here - 1, rng, Condition())
        found.append(Step(at, x[0], axes, true.reshape([mesh] * D), learned.cpu(), exact))
    return Denoising(tuple(found))


def window(oracle: MixtureOracle, x_t: Tensor, t: int, mesh: int) -> Tensor:
    """A square mesh `[D, M]` around the modes of q(x_{t-1} | x_t [1, D]) that have a probability."""
    at = torch.tensor([t])
    log_r, m, spread = oracle.components(x_t, at)
    c_x0, c_xt, variance = oracle.process.posterior_coefficients(at, at - 1)
    modes = (c_x0 * m + c_xt * x_t[:, None])[0][log_r[0].exp() > FAINTEST]
    low, high = modes.min(0).values, modes.max(0).values
    half = float((high - low).max()) / 2 + WIDE * float((c_x0**2 * spread + variance).sqrt())
    return torch.stack([torch.linspace(float(c) - half, float(c) + half, mesh, dtype=torch.float64) for c in (low + high) / 2])
