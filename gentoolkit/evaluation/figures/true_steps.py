"""Why a denoising step must be multimodal where there are few: the true q(x_{t-1} | x_t) as T falls   (the paper's Fig. 2).

x_0     one coordinate of 25 Gaussians: five modes; the two coordinates are independent
x_t     alpha_t μ + sigma_t eps, μ the middle mode, the same eps for every T and t
exact   the oracle's density of the last two steps, where data are made; beside the Gaussian of its mean and variance

write_plot("fig2.pdf", true_steps([100, 16, 8, 4, 2]).figure())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.diffusion import GaussianForward, MixtureOracle
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import Facts, GentoolError, get_registry

from .plotting import styled

MOST = 8
"""Panels of a row."""
EPS = 0.8
"""The noise of x_t: a common one, that is nobody's mode."""
TIMES = (0.0, 0.02, 0.05, 0.1, 0.25, 1.0)
REACH, MESH = 3.2, 1601
"""The mesh goes from -REACH to REACH."""


@frozen(eq=False)
class TrueStep:
    """A step on a grid of T steps."""

    T: int
    t: int
    x_t: float
    exact: Tensor
    """q(x_{t-1} | x_t) on the mesh, `[M]`."""
    gaussian: Tensor
    """The Gaussian of its mean and variance, `[M]`."""


@frozen(eq=False)
class TrueSteps:
    """Densities on one mesh of x."""

    axis: Tensor
    """`[M]`."""
    times: tuple[float, ...]
    """In [0, 1]."""
    marginals: Tensor
    """q(x) at these times, `[K, M]`."""
    steps: tuple[TrueStep, ...]
    """In the order of T as given; of each the step t = 2, where there is one, and the last, t = 1."""

    def figure(self) -> Any:
        """Rows of what diffusion makes of the data, and of the last two true steps for each T; every panel has a height of its
        own."""
        x = self.axis.numpy()
        rows = [[step for step in self.steps if step.t == t] for t in (2, 1)]
        grids = [step.T for step in rows[1]]
        with styled() as Figure:
            figure = Figure(figsize=(1.6 * max(len(self.times), len(grids)) + 0.6, 6), layout="constrained")
            parts = figure.subfigures(3, 1)
            parts[0].suptitle("the data, diffused: q(x) at a time", fontsize=10)
            panels = parts[0].subplots(1, len(self.times))
            for axes, time, density in zip(panels, self.times, self.marginals.numpy(), strict=True):
                axes.fill_between(*visible(x, density), color="#9ecae1", linewidth=0)
                axes.set_title(f"{time:g}", fontsize=9)
                plain(axes)
            for part, row, name in zip(parts[1:], rows, ("the step before the last", "the last step"), strict=True):
                part.suptitle(f"{name}: true, and the Gaussian of its mean and variance (dashed)", fontsize=10)
                panels = dict(zip(grids, part.subplots(1, len(grids), squeeze=False)[0], strict=True))
                for axes in panels.values():
                    axes.set_axis_off()
                for step in row:
                    draw(panels[step.T], x, step)
            parts[2].supxlabel("peaks have one height in all panels; the blue line is where $x_t$ is", fontsize=8)
        return figure


def draw(axes: Any, x: Any, step: TrueStep) -> None:
    """One step."""
    axes.set_axis_on()
    exact, gaussian = step.exact.numpy(), step.gaussian.numpy()
    axes.fill_between(*visible(x, exact), color="#fdae6b", linewidth=0)
    axes.plot(*visible(x, exact), color="#d94801", linewidth=0.8)
    axes.plot(*visible(x, gaussian * (exact.max() / gaussian.max())), color="#404040", linewidth=0.9, linestyle="--")
    axes.axvline(step.x_t, color="#2171b5", linewidth=0.8)
    axes.set_title(f"T = {step.T}, q($x_{{{step.t - 1}}}$ | $x_{{{step.t}}}$)", fontsize=8)
    plain(axes)


def visible(x: Any, density: Any) -> tuple[Any, Any]:
    """The part of a density that is not on the axis, which would only make files larger."""
    seen = density > 1e-4 * density.max()
    return x[seen], density[seen]


def plain(axes: Any) -> None:
    """Axes with x alone."""
    axes.set(yticks=[], xlim=(-REACH, REACH), ylim=(0, None), xticks=[-2, 0, 2])
    axes.spines["left"].set_visible(False)


def true_steps(steps: Sequence[int] = (100, 16, 8, 4, 2)) -> TrueSteps:
    """The true step of 25 Gaussians, in one coordinate, on grids of so many steps of the vp schedule.

    Raises:
        GentoolError: a number of steps is none, or there are too many of them.
    """
    if not 1 <= len(steps) <= MOST:
        raise GentoolError(f"a figure has 1 to {MOST} numbers of steps, not {len(steps)}")
    steps = [whole_number(T, "a number of steps T", 1) for T in steps]
    registry = get_registry()
    curve = registry.find("schedule", "vp")().build(Facts(), {})
    mixture = first_coordinate(registry.find("data", "gaussians25")().offer(Facts())["mixture"])
    axis = torch.linspace(-REACH, REACH, MESH, dtype=torch.float64)
    found = []
    for T in steps:
        oracle = MixtureOracle.of(GaussianForward(curve.grid(T), curve), mixture)
        middle = oracle.means[len(oracle.means) // 2]
        for t in (2, 1) if T > 1 else (1,):
            at = torch.tensor([t])
            alpha, sigma = oracle.process.alpha_sigma(at)
            x_t = (alpha * middle + sigma * EPS)[None]
            many = at.expand(MESH)
            exact = oracle.log_prob(axis[:, None], x_t.expand(MESH, 1), many, many - 1).exp()
            found.append(TrueStep(T, t, float(x_t), exact, matched(axis, oracle, x_t, at)))
    marginals = torch.stack([marginal(axis, mixture, curve, time) for time in TIMES])
    return TrueSteps(axis, TIMES, marginals, tuple(found))


def first_coordinate(mixture: Mapping[str, Any]) -> dict[str, Any]:
    """The mixture that the first coordinate of a mixture of isotropic Gaussians has."""
    weights: dict[float, float] = {}
    for mean, weight in zip(mixture["means"], mixture["weights"], strict=True):
        weights[mean[0]] = weights.get(mean[0], 0.0) + weight
    means = sorted(weights)
    return {"means": [[m] for m in means], "std": mixture["std"], "weights": [weights[m] for m in means]}


def matched(axis: Tensor, oracle: MixtureOracle, x_t: Tensor, t: Tensor) -> Tensor:
    """Density of the Gaussian that has the mean and the variance of q(x_{t-1} | x_t)."""
    c_x0, _, variance = oracle.process.posterior_coefficients(t, t - 1)
    mean = oracle.gaussian(x_t, t, t - 1).mean
    return normal(axis, mean[0, 0], c_x0[0] ** 2 * oracle.x_0_covariance(x_t, t)[0, 0, 0] + variance[0])


def marginal(axis: Tensor, mixture: Mapping[str, Any], curve: Any, time: float) -> Tensor:
    """q(x) at a time of the schedule, on the mesh."""
    one, none = torch.ones(()).double(), torch.zeros(()).double()
    alpha, sigma = curve.alpha_sigma(torch.tensor(time).double()) if time else (one, none)
    modes = zip(mixture["means"], mixture["weights"], strict=True)
    total = torch.zeros_like(axis)
    for mean, weight in modes:
        total += weight * normal(axis, alpha * mean[0], alpha**2 * mixture["std"] ** 2 + sigma**2)
    return total


def normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """N(x; mean, variance)."""
    density: Tensor = torch.distributions.Normal(mean, variance.sqrt()).log_prob(x).exp()
    return density
