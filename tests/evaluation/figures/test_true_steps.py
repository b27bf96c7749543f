"""The figure of the oracle shows the oracle's densities, and is a file of the kind that was asked for."""

from __future__ import annotations

import sys

import pytest
import torch
from PIL import Image

from gentoolkit.components.data.gaussians25 import MEANS, STD, WEIGHTS
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward, MixtureOracle
from gentoolkit.evaluation.figures.plotting import write_plot
from gentoolkit.evaluation.figures.true_steps import first_coordinate, true_steps
from gentoolkit.registry import Facts, GentoolError


def integral(axis, density):
    return float(torch.trapezoid(density, axis))


def test_densities_integrate_to_one_and_the_gaussian_has_their_moments():
    found = true_steps((16, 4, 1))
    assert [(step.T, step.t) for step in found.steps] == [(16, 2), (16, 1), (4, 2), (4, 1), (1, 1)]
    for density in found.marginals:
        assert integral(found.axis, density) == pytest.approx(1, abs=2e-3)
    for step in found.steps:
        for density in (step.exact, step.gaussian):
            assert integral(found.axis, density) == pytest.approx(1, abs=3e-3)
        means = [integral(found.axis, d * found.axis) for d in (step.exact, step.gaussian)]
        squares = [integral(found.axis, d * found.axis**2) for d in (step.exact, step.gaussian)]
        assert means[0] == pytest.approx(means[1], abs=5e-3)
        assert squares[0] == pytest.approx(squares[1], abs=2e-2)


def test_few_steps_are_multimodal_and_many_are_not():
    def modes(density):
        inner = density[1:-1]
        return int(((inner > density[:-2]) & (inner > density[2:]) & (inner > 0.01 * density.max())).sum())

    last = {step.T: modes(step.exact) for step in true_steps((100, 16, 8, 4, 2)).steps if step.t == 1}
    assert last == {100: 1, 16: 2, 8: 4, 4: 5, 2: 5}


def test_one_coordinate_is_that_of_the_plane():
    mixture = first_coordinate({"means": MEANS, "std": STD, "weights": WEIGHTS})
    assert [m[0] for m in mixture["means"]] == pytest.approx([x / 2.828 for x in (-4, -2, 0, 2, 4)])
    assert mixture["weights"] == pytest.approx([0.2] * 5)
    curve = VP().build(Facts(), {})
    plane = MixtureOracle.of(GaussianForward(curve.grid(4), curve), {"means": MEANS, "std": STD, "weights": WEIGHTS})
    step = next(step for step in true_steps((4,)).steps if step.t == 2)
    axis, two = true_steps((4,)).axis[600:1000:40], torch.tensor([2])
    rest = torch.linspace(-4, 4, 1601, dtype=torch.float64)
    x_t = torch.tensor([[step.x_t, 0.4]], dtype=torch.float64)
    for x, expected in zip(axis, step.exact[600:1000:40], strict=True):
        points = torch.stack([x.expand(1601), rest], 1)
        density = plane.log_prob(points, x_t.expand(1601, 2), two.expand(1601), two.expand(1601) - 1).exp()
        assert integral(rest, density) == pytest.approx(float(expected), rel=1e-5)


def test_it_becomes_png_svg_and_pdf_the_same_bytes_each_time(tmp_path):
    figure = true_steps((4, 1)).figure()
    for ending, head in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        first = write_plot(tmp_path / f"a{ending}", true_steps((4, 1)).figure()).read_bytes()
        assert first.startswith(head)
        assert write_plot(tmp_path / f"b{ending}", true_steps((4, 1)).figure()).read_bytes() == first
    assert len((tmp_path / "a.svg").read_bytes()) < 700_000
    panels = [axes for part in figure.subfigs for axes in part.axes]
    assert [axes.get_title() for axes in panels[6:]] == [
        *("T = 4, q($x_{1}$ | $x_{2}$)", ""),
        *("T = 4, q($x_{0}$ | $x_{1}$)", "T = 1, q($x_{0}$ | $x_{1}$)"),
    ]
    assert [axes.axison for axes in panels[6:]] == [True, False, True, True], "T = 1 has no step t = 2"
    assert Image.open(tmp_path / "a.png").size[1] > 500


def test_mistakes(tmp_path, monkeypatch):
    for steps, said in (((), "1 to 8 numbers of steps, not 0"), ((0,), "T is 1 or more"), (range(1, 10), "not 9")):
        with pytest.raises(GentoolError, match=said):
            true_steps(steps)
    figure = true_steps((1,)).figure()
    for out, said in (("a.gif", ".png, .svg, .pdf"), ("a", ".png"), ("nowhere/a.png", "the folder .*nowhere does not exist")):
        with pytest.raises(GentoolError, match=said):
            write_plot(tmp_path / out, figure)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(GentoolError, match=r"pip install 'gentoolkit\[figures\]'"):
        true_steps((1,)).figure()
    assert list(tmp_path.iterdir()) == []
