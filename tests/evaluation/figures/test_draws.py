"""Draws of x_0 differ by their noise alone: what they are given is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentoolkit.components.model import Condition
from gentoolkit.components.samplers.state import State
from gentoolkit.diffusion import Draw
from gentoolkit.evaluation.figures.draws import draws
from gentoolkit.evaluation.figures.opened import data_of
from gentoolkit.registry import GentoolError

from .runs import trained


def test_real_samples_are_noised_by_the_forward_process(digits):
    found = draws(digits, 3, seed=2, k=4, t=(3, 1))
    assert (found.t, found.by) == ((1, 3), "step")
    assert found.x_t.shape == (2, 3, 1, 8, 8)
    assert found.drawn.shape == (2, 3, 4, 1, 8, 8)
    q = digits.model.process
    noise = [(x_t - q.alpha_sigma(torch.tensor(t))[0] * found.x_0) / q.alpha_sigma(torch.tensor(t))[1]
             for t, x_t in zip(found.t, found.x_t, strict=True)]  # fmt: skip
    assert torch.allclose(noise[0], noise[1], atol=1e-5), "the same noise at every t"
    assert abs(noise[0].std() - 1) < 0.2
    source = data_of(digits)
    known = {(source[i]["x_0"].numpy().tobytes(), source[i]["y"]) for i in range(len(source))}
    pixels = ((found.x_0 + 1) * 127.5).round().to(torch.uint8)
    assert all((x.numpy().tobytes(), int(y)) in known for x, y in zip(pixels, found.y, strict=True))
    assert len({x.numpy().tobytes() for x in pixels}) == 3


def test_one_step_is_the_network_at_x_t_with_a_latent_each(digits):
    found = draws(digits, 2, seed=2, k=3, t=(2,))
    model, at = digits.model, torch.full((2,), 2)
    for j in range(3):
        z = model.draw_z(Draw((2, "draws", 2, j), 0, 2))
        with torch.no_grad():
            assert torch.equal(found.drawn[0, :, j], model.x_0_hat(found.x_t[0], at, z, Condition(y=found.y)))
    assert not torch.equal(found.drawn[0, :, 0], found.drawn[0, :, 1])
    assert torch.equal(draws(digits, 2, seed=2, k=2, t=(1, 2)).drawn[1], found.drawn[0, :, :2]), "fewer are the first of more"


def test_a_walk_goes_on_from_x_t_with_a_noise_each(gaussian_steps, points):
    found = draws(gaussian_steps, 2, k=3)
    assert (found.t, found.by) == ((25, 50, 75, 100), "walk")
    for j in range(3):
        state, rng = State(25, found.x_t[0]), Draw((0, "draws", 25, j), 0, 2)
        with torch.no_grad():
            while state.t:
                state = gaussian_steps.sampler.step(gaussian_steps.model, state, rng, Condition())
        assert torch.equal(found.drawn[0, :, j], state.x)
    one = draws(points, 2, k=2, t=(1,), by="walk")
    assert not torch.equal(one.drawn, draws(points, 2, k=2, t=(1,), by="step").drawn), "noises under names of their own"
    assert torch.equal(one.x_t, draws(points, 2, k=2, t=(1,)).x_t)


def test_a_walk_begins_at_any_step_of_any_sampler(gaussian_steps):
    for overrides in (["sampler.steps=3"], ["sampler=ddim", "sampler.steps=4"], ["sampler=dpm-solver++", "sampler.steps=5"]):
        run = gaussian_steps.varied(overrides)
        found = draws(run, 2, k=2, t=(1, 61))
        state = State(61, found.x_t[1])
        with torch.no_grad():
            while state.t:
                state = run.sampler.step(run.model, state, Draw((0, "draws", 61, 1), 0, 2), Condition())
        assert torch.equal(found.drawn[1, :, 1], state.x), overrides
        same = torch.equal(found.drawn[1, :, 0], found.drawn[1, :, 1])
        assert same == (overrides != ["sampler.steps=3"]), "without noise there is one x_0"


def test_the_picture_shows_x_0_x_t_and_the_draws(digits, points):
    picture = np.asarray(draws(digits, 2, k=9).picture())
    assert picture.shape[0] == 2 * 16 + 8 * 50 + 2 + 8
    left, found = picture.shape[1] - 11 * 50, draws(digits, 2, k=9)
    for row, column, x in ((0, 0, found.x_0[0]), (2, 1, found.x_t[2, 0]), (7, 10, found.drawn[3, 1, 8])):
        y = 34 + row * 50 + 8 * (row > 3)
        tile = picture[y : y + 48, left + column * 50 :][:48:6, :48:6, 0]
        assert np.abs(tile - (x[0].clamp(-1, 1).numpy() + 1) * 127.5).max() <= 0.5
    assert draws(points, 1, k=30, t=(1, 2)).picture().size[1] == 2 * 16 + 2 * 162 + 2


def test_mistakes(digits, gaussian_steps, tmp_path):
    for arguments, said in (
        ({"n": 0}, "real samples is 1 or more"),
        ({"k": 0}, "draws is 1 or more"),
        ({"t": (5,)}, "one or more of 1 to 4, not 5"),
        ({"t": ()}, "not none"),
        ({"t": (0,)}, "a step t is 1 or more"),
        ({"by": "steps"}, "by step or by walk, not by 'steps'"),
        ({"n": 1798}, "1797 items, fewer than 1798"),
    ):
        with pytest.raises(GentoolError, match=said):
            draws(digits, **arguments)
    with pytest.raises(GentoolError, match="with no latent"):
        draws(gaussian_steps, by="step")
    run = trained(tmp_path / "direct", {"use": "gaussians25", "size": 50}, model={"parametrization": "direct"})
    assert draws(run, 1, k=2).by == "walk"
    with pytest.raises(GentoolError, match="'direct'"):
        draws(run, by="step")
