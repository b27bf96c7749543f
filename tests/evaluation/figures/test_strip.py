"""A strip shows the very walks that samples come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Draw
from gentoolkit.evaluation.figures.strip import strip
from gentoolkit.registry import GentoolError

from .runs import trained


def test_it_begins_with_the_prior_and_ends_with_the_samples(digits, points):
    for run in (digits, points):
        found = strip(run, 7, seed=3)
        assert found.t == (4, 3, 2, 1, 0)
        assert torch.equal(found.x[-1], run.sample(7, 3)), "over chunks, classes and all"
        prior = run.model.process.prior(run.facts.shape, Draw((3, "sample"), 0, 10).scope("start"))
        assert torch.equal(found.x[0], prior[:7])
    asked = strip(digits, 6, seed=3, y=[9, 8, 7, 6, 5, 4])
    assert torch.equal(asked.x[-1], digits.sample(6, 3, y=[9, 8, 7, 6, 5, 4]))
    assert not torch.equal(asked.x[-1], strip(digits, 6, seed=3, y=1).x[-1])


def test_a_prediction_is_that_of_the_state_above_it(points):
    found = strip(points, 5, seed=1)
    model = points.model
    for k, t in enumerate(found.t[:-1]):
        rng = Draw((1, "sample"), 0, 5).scope("t", t)
        with torch.no_grad():
            here = model.x_0_hat(found.x[k], torch.full((5,), t), model.draw_z(rng), Condition())
        assert torch.equal(found.x_0_hat[k], here)
    assert torch.equal(found.x_0_hat[-1], found.x[-1]), "the last step is noiseless"


def test_of_a_long_walk_it_shows_evenly_chosen_states(gaussian_steps):
    found = strip(gaussian_steps, 3)
    assert found.t == (100, 88, 77, 66, 55, 44, 33, 22, 11, 0)
    whole = strip(gaussian_steps, 3, columns=101)
    assert whole.t == tuple(range(100, -1, -1))
    assert all(torch.equal(x, whole.x[100 - t]) for t, x in zip(found.t, found.x, strict=True))
    assert all(torch.equal(x, whole.x_0_hat[100 - t]) for t, x in zip(found.t, found.x_0_hat, strict=False))
    assert strip(gaussian_steps, 3, columns=2).t == (100, 0)


def test_any_sampler_has_its_walk(gaussian_steps):
    for overrides, t in (
        (["sampler=ddim", "sampler.steps=4"], (100, 75, 50, 25, 0)),
        (["sampler=heun", "sampler.steps=3"], None),
        (["sampler=predictor-corrector", "sampler.steps=5"], None),
    ):
        run = gaussian_steps.varied(overrides)
        found = strip(run, 6, seed=2)
        assert torch.equal(found.x[-1], run.sample(6, 2))
        assert t is None or found.t == t
        assert (found.t[0], found.t[-1], len(found.x_0_hat)) == (100, 0, len(found.t) - 1)


def test_nothing_is_predicted_by_direct_denoising(tmp_path):
    run = trained(tmp_path / "direct", {"use": "gaussians25", "size": 50}, model={"parametrization": "direct"})
    found = strip(run, 3)
    assert found.x_0_hat is None
    assert found.picture().size[1] == 16 + 2 + 162


def test_the_picture_has_a_row_of_states_and_one_of_predictions(digits, points):
    picture = np.asarray(strip(digits, 3).picture())
    left = picture.shape[1] - 5 * 50 - 2
    assert picture.shape[0] == 16 + 6 * 50 + 2 + 2 * 8
    x = strip(digits, 3)
    tile = picture[16 + 2 : 16 + 2 + 48, left + 2 + 4 * 50 :][:48:6, :48:6, 0]
    assert np.abs(tile - (x.x[-1, 0, 0].clamp(-1, 1).numpy() + 1) * 127.5).max() <= 0.5
    below = picture[16 + 52 : 16 + 52 + 48, left + 2 : left + 50][::6, ::6, 0]
    assert np.abs(below - (x.x_0_hat[0, 0, 0].clamp(-1, 1).numpy() + 1) * 127.5).max() <= 0.5
    assert strip(points, 30).picture().size[1] == 16 + 2 * 162 + 2


def test_states_larger_than_data_are_shown_at_its_size(tmp_path):
    run = trained(
        tmp_path / "exploding", "digits", process={"schedule": {"use": "geometric", "sigma_min": 0.1, "sigma_max": 50}}
    )
    found = strip(run, 40)
    assert found.x[0].std() > 40
    pixels = np.asarray(found.picture())[18:66, -5 * 50 :][:, :48]
    assert ((pixels > 0) & (pixels < 255)).mean() > 0.5, "noise, not black and white"


def test_mistakes(digits, points):
    for arguments, said in (
        ({"n": 0}, "number of samples"),
        ({"seed": -1}, "a seed"),
        ({"columns": 1}, "columns is 2 or more"),
        ({"y": 10}, "from 0 to 9"),
    ):
        with pytest.raises(GentoolError, match=said):
            strip(digits, **arguments)
    with pytest.raises(GentoolError, match="knows no classes"):
        strip(points, y=1)
    with pytest.raises(GentoolError, match="no run folder"):
        strip("nowhere")
