"""The true step is the oracle's, the learned one the model's, at the same x_t."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Draw, MixtureOracle
from gentoolkit.evaluation.figures.denoising import denoising
from gentoolkit.evaluation.figures.points import beside_data
from gentoolkit.registry import GentoolError

from .runs import trained

ON_A_LINE = '''\
from __future__ import annotations

import torch

from gentoolkit.components.data import Data, DataSpec
from gentoolkit.components.data.drawn import Points
from gentoolkit.registry import component

MIXTURE = {"means": ((-1.0,), (0.5,), (1.0,)), "std": 0.1, "weights": (0.5, 0.25, 0.25)}


@component
class Line(Data):
    """Three Gaussians on a line."""

    def spec(self):
        return DataSpec(kind="points", shape=(1,), bounded=False, mixture=MIXTURE)

    def build(self, facts, parts):
        return Points(torch.linspace(-1, 1, 30)[:, None].numpy())
'''


def mass(step) -> float:
    """The density summed over the mesh."""
    return float(step.true.sum() * np.prod([float(axis[1] - axis[0]) for axis in step.axes]))


def test_the_density_is_the_oracles_and_integrates_to_one(points):
    found = denoising(points, seed=1, mesh=301, m=20)
    oracle = MixtureOracle.of(points.model.process, points.facts.mixture)
    assert [step.t for step in found.steps] == [1, 2, 3, 4]
    for step in found.steps:
        assert mass(step) == pytest.approx(1, abs=5e-3), step.t
        i, j, t = 190, 100, torch.tensor([step.t])
        x = torch.stack([step.axes[0, i], step.axes[1, j]])[None]
        assert float(step.true[i, j]) == pytest.approx(float(oracle.log_prob(x, step.x_t[None], t, t - 1).exp()))
        assert step.axes[0, -1] - step.axes[0, 0] == pytest.approx(float(step.axes[1, -1] - step.axes[1, 0])), "a square"


def test_every_step_is_of_one_x_0_and_one_noise(points):
    found = denoising(points, seed=1, m=5)
    draw = Draw((1, "denoising"), 0, 1, dtype=torch.float64)
    x_0 = MixtureOracle.of(points.model.process, points.facts.mixture).draw_x_0(draw)
    eps = draw.normal("eps", (2,))
    for step in found.steps:
        t = torch.tensor([step.t])
        assert torch.equal(step.x_t, points.model.process.marginal(x_0, t, eps)[0])
        rng = Draw((1, "denoising", step.t, "model"), 0, 5)
        with torch.no_grad():
            x = points.model.step(step.x_t.float().expand(5, -1), t.expand(5), t.expand(5) - 1, rng, Condition())
        assert torch.equal(step.learned, x)
    assert torch.equal(denoising(points, seed=1, t=[3], m=5).steps[0].learned, found.steps[2].learned)
    chosen = denoising(points, t=[2, 1], x_t=[0.3, -0.1], m=5).steps
    assert [(step.t, step.x_t.tolist()) for step in chosen] == [(1, [0.3, -0.1]), (2, [0.3, -0.1])]


def test_exact_draws_lie_where_the_density_is(points):
    step = denoising(points, seed=1, t=[1], m=4000, mesh=401).steps[0]
    peak = np.unravel_index(int(step.true.argmax()), step.true.shape)
    mode = torch.stack([step.axes[0, peak[0]], step.axes[1, peak[1]]])
    near = (torch.stack(torch.meshgrid(*step.axes, indexing="ij"), -1) - mode).norm(dim=-1) < 0.2
    cell = float(step.axes[0, 1] - step.axes[0, 0]) ** 2
    share = float(((step.exact - mode).norm(dim=-1) < 0.2).double().mean())
    assert share == pytest.approx(float(step.true[near].sum()) * cell, abs=0.03)
    inside = ((step.exact >= step.axes[:, 0]) & (step.exact <= step.axes[:, -1])).all(1)
    assert inside.double().mean() > 0.98


def test_a_long_grid_is_shown_at_four_steps(gaussian_steps):
    found = denoising(gaussian_steps, m=5, mesh=21)
    assert [step.t for step in found.steps] == [25, 50, 75, 100]
    width, height = found.picture().size
    assert height == 32 + 3 * 202 + 2
    assert width > 4 * 202 + 2


def test_on_a_line_there_are_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.py").write_text(ON_A_LINE)
    run = trained(tmp_path / "line", "local/Line", local={"modules": ["line.py"]})
    found = denoising(run, m=50, mesh=1001)
    assert [mass(step) for step in found.steps] == pytest.approx([1] * 4, abs=1e-3)
    assert found.steps[0].learned.shape == (50, 1)
    assert found.picture().size[1] == 32 + 202 + 2
    assert beside_data(run, 9).real.flatten().tolist() != beside_data(run, 40).real.flatten()[:9].tolist()
    assert beside_data(run, 40).real.shape == (30, 1)


def test_points_lie_beside_the_data(points):
    found = beside_data(points, 20, seed=3)
    assert torch.equal(found.samples, points.sample(20, 3))
    assert found.real.shape == (20, 2)
    means = torch.tensor(points.facts.mixture["means"])
    assert float(torch.cdist(found.real, means).min(1).values.max()) < 6 * points.facts.mixture["std"]
    assert found.picture(100).size == (2 * 102 + 2, 16 + 102 + 2)


def test_mistakes(points, digits):
    with pytest.raises(GentoolError, match="data 'digits' gives image"):
        denoising(digits)
    with pytest.raises(GentoolError, match="gives images"):
        beside_data(digits)
    for arguments, said in (
        ({"x_t": [1.0]}, "x_t has 2 coordinates, not 1"),
        ({"t": [9]}, "1 to 4, not 9"),
        ({"m": 0}, "draws is 1 or more"),
        ({"mesh": 1}, "mesh points is 2 or more"),
    ):
        with pytest.raises(GentoolError, match=said):
            denoising(points, **arguments)
