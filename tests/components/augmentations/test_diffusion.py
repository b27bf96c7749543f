"""Noise of the forward process: its levels, its moments, the same for a pair."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.augmentations.diffusion import Diffusion
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward
from gentoolkit.testing import tiny_facts

B = 4096


@pytest.mark.parametrize("schedule", [VP(), Rectified()])
@pytest.mark.parametrize("T", [1, 2])
def test_levels_are_those_of_a_grid_of_its_own_without_the_last(schedule, T):
    facts = tiny_facts("image", (1, 2, 3), steps=T)
    curve = schedule.build(facts, {})
    grid = curve.grid(4)
    change = Diffusion(steps=4).build(facts, {"process": GaussianForward(curve.grid(T), curve)})
    x = torch.full((B, 2, 2, 3), 3.0, dtype=torch.float64)
    y = change(x, Draw((0,), 0, B, dtype=torch.float64))
    t = Draw((0,), 0, B).integers("t", 1, 3)
    assert set(t.tolist()) == {1, 2, 3}
    for level in (1, 2, 3):
        some = y[t == level]
        assert float(some.mean()) == pytest.approx(3 * float(grid.alpha[level]), abs=0.05)
        assert float(some.std()) == pytest.approx(float(grid.sigma[level]), rel=0.03)
    assert torch.equal(y[:, 0], y[:, 1]), "both of a pair see the same noise"


def test_points_are_noised_too():
    facts = tiny_facts()
    curve = VP().build(facts, {})
    change = Diffusion(steps=2).build(facts, {"process": GaussianForward(curve.grid(1), curve)})
    x = torch.randn(8, 4, dtype=torch.float64)
    rng = Draw((0,), 0, 8, dtype=torch.float64)
    eps = Draw((0,), 0, 8, dtype=torch.float64).normal("eps", (2,))
    alpha, sigma = curve.grid(2).alpha[1], curve.grid(2).sigma[1]
    assert torch.allclose(change(x, rng), alpha * x + sigma * eps.repeat(1, 2), rtol=1e-12)
    assert not list(Diffusion().fits(facts))
