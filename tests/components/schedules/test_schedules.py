"""Each schedule's formula, independently written, and its rules."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.linear import Linear, log_alpha_bar
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.registry import Facts

U = [0.01, 0.25, 0.5, 0.9, 1.0]


@pytest.mark.parametrize("u", U)
def test_vp_integrates_a_linear_rate_of_noise(u):
    """alpha² = exp(-∫ beta(v) dv) with beta(v) = 0.1 + 19.9 v."""
    n = 20_000
    integral = sum(0.1 + 19.9 * (k + 0.5) / n * u for k in range(n)) * u / n
    alpha, sigma = VP().alpha_sigma(u, math)
    assert alpha**2 == pytest.approx(math.exp(-integral), rel=1e-6)
    assert alpha**2 + sigma**2 == pytest.approx(1)
    other = VP(beta_min=1.0, beta_max=3.0).alpha_sigma(u, math)[0]
    assert other**2 == pytest.approx(math.exp(-u - u**2), rel=1e-12)


def test_vps_start_is_clean_whatever_it_is():
    for start in (1e-3, 0.2):
        alpha, sigma = VP(start=start).alpha_sigma(0.0, math)
        assert (alpha, sigma) == (1, 0)
        end, plain = VP(start=start).alpha_sigma(1.0, math)[0], VP().alpha_sigma(1.0, math)[0]
        assert end == pytest.approx(plain / VP().alpha_sigma(start, math)[0], rel=1e-12)


@pytest.mark.parametrize("u", U)
def test_cosine_is_the_formula_of_improved_ddpm(u):
    def f(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    alpha, sigma = Cosine().alpha_sigma(u, math)
    assert alpha**2 == pytest.approx(f(u) / f(0), abs=1e-15)
    assert alpha**2 + sigma**2 == pytest.approx(1, rel=1e-12)


def test_cosine_is_exact_near_data_and_ends_at_nothing():
    u = 1e-9
    slope = math.tan(0.008 / 1.008 * math.pi / 2) / 1.008 * math.pi
    assert Cosine().alpha_sigma(u, math)[1] ** 2 == pytest.approx(slope * u, rel=1e-6)
    assert 0 <= Cosine().offer(Facts())["alpha_T"] < 1e-15
    assert float(Cosine().build(Facts(), {}).grid(1000).alpha[-1]) < 1e-15


def test_geometric_is_even_in_log_sigma():
    made = Geometric(sigma_min=0.02, sigma_max=80.0).build(Facts(), {})
    sigma = made.grid(10).sigma[1:]
    assert torch.allclose(sigma.log().diff(), torch.full((9,), math.log(4000) / 10, dtype=torch.float64))
    assert float(sigma[-1]) == pytest.approx(80)
    assert made.prior_std == 80
    assert bool((made.grid(10).alpha == 1).all())
    assert [c[0] for c in Geometric(sigma_min=2.0, sigma_max=2.0).check(Facts())] == ["sigma_max"]


def test_rectified_is_a_straight_line():
    assert [Rectified().alpha_sigma(u, math) for u in (0.0, 0.25, 1.0)] == [(1, 0), (0.75, 0.25), (0, 1)]


def test_linear_has_ddpms_betas():
    table = log_alpha_bar(1e-4, 0.02)
    assert len(table) == 1001
    assert table[0] == 0
    betas = [-math.expm1(b - a) for a, b in itertools.pairwise(table)]
    assert betas[0] == pytest.approx(1e-4)
    assert betas[-1] == pytest.approx(0.02)
    assert betas[499] == pytest.approx(1e-4 + 0.0199 * 499 / 999)
    assert math.exp(table[-1]) == pytest.approx(4.0358e-5, rel=1e-4)
    between = Linear().alpha_sigma(0.0125, math)[0]
    assert 2 * math.log(between) == pytest.approx((table[12] + table[13]) / 2)


@pytest.mark.parametrize(
    ("schedule", "facts", "said"),
    [
        (Linear(), Facts(steps=1001), "it has 1000 steps; process.steps = 1001"),
        (Geometric(sigma_min=1.0, sigma_max=0.5), Facts(), "does not fall at t = 2"),
        (Linear(), Facts(steps=1000), None),
        (Rectified(), Facts(steps=50), None),
    ],
)
def test_what_does_not_fit_is_said(schedule, facts, said):
    complaints = list(schedule.fits(facts))
    assert len(complaints) == (said is not None)
    if said:
        assert complaints[0][0] == "use"
        assert said in complaints[0][1]
