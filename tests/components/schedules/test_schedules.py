"""Each schedule's formula, independently written, and its rules."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.edm import EDM
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.linear import Linear, log_alpha_bar
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.sigmoid import Sigmoid
from gentoolkit.components.schedules.vp import VP
from gentoolkit.components.schedules.zero_terminal_snr import ZeroTerminalSNR
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


@pytest.mark.parametrize("u", U)
@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1.0), (0, 3, 0.3), (-3, 3, 0.9)])
def test_sigmoid_is_chens_formula(u, start, end, tau):
    def s(v):
        return 1 / (1 + math.exp(-v))

    gamma = (s(end / tau) - s((u * (end - start) + start) / tau)) / (s(end / tau) - s(start / tau))
    alpha, sigma = Sigmoid(start=start, end=end, tau=tau).alpha_sigma(u, math)
    assert alpha**2 == pytest.approx(gamma, rel=1e-9, abs=1e-15)
    assert alpha**2 + sigma**2 == pytest.approx(1, rel=1e-12)


def test_sigmoid_is_exact_at_both_ends():
    assert Sigmoid().alpha_sigma(0.0, math) == (pytest.approx(1, rel=1e-15), 0)
    assert Sigmoid().alpha_sigma(1.0, math) == (0, pytest.approx(1, rel=1e-15))
    assert Sigmoid().offer(Facts())["alpha_T"] == 0
    # Near the data alpha² falls with the sigmoid's slope there, S(-3) S(3) 6 / (S(3) - S(-3)).
    assert Sigmoid().alpha_sigma(1e-9, math)[1] ** 2 == pytest.approx(0.2995004e-9, rel=1e-6)
    assert [c[0] for c in Sigmoid(start=1.0, end=1.0).check(Facts())] == ["end"]
    assert not list(Sigmoid(start=-20.0, end=20.0, tau=0.1).check(Facts()))


def test_edm_has_the_noise_levels_of_karras_et_al():
    """Eq. 5 with N = 18 levels: i = 0 is sigma_max, i = N - 1 is sigma_min, and the data itself comes after."""
    made, n = EDM().build(Facts(), {}), 18
    low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
    levels = [(high + i / (n - 1) * (low - high)) ** 7 for i in range(n)]
    grid = made.grid(n)
    assert grid.sigma.tolist() == pytest.approx([0, *reversed(levels)], rel=1e-12)
    assert [f"{v:.4g}" for v in grid.sigma[[1, 2, 9, 17, 18]].tolist()] == ["0.002", "0.007528", "1.923", "57.59", "80"]
    assert bool((grid.alpha == 1).all())
    assert made.prior_std == 80
    assert EDM(sigma_max=5.0).build(Facts(), {}).grid(1).sigma.tolist() == pytest.approx([0, 5])
    assert EDM(rho=1.0, sigma_min=1.0, sigma_max=4.0).build(Facts(), {}).grid(4).sigma.tolist() == pytest.approx(
        [0, 1, 2, 3, 4]
    )
    quadratic = EDM(rho=1.0, sigma_min=1.0, sigma_max=5.0).build(Facts(), {}).grid(3, "quadratic")
    assert quadratic.sigma.tolist() == pytest.approx([0, 1, 2, 5])
    assert [c[0] for c in EDM(sigma_min=2.0, sigma_max=2.0).check(Facts())] == ["sigma_max"]
    assert not list(EDM().fits(Facts(steps=18)))


def test_zero_terminal_snr_is_lin_et_als_rescaling():
    """The peer rescales betas; ours are the same, and alpha is 0 at the end, not nearly."""
    grid = ZeroTerminalSNR().build(Facts(), {}).grid(1000)
    peer = rescale_zero_terminal_snr(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    assert torch.allclose(grid.beta[1:], peer, rtol=1e-9, atol=0)
    assert float(grid.beta[-1]) == 1
    assert float(grid.alpha[-1]) == ZeroTerminalSNR().offer(Facts())["alpha_T"] == 0
    linear = Linear().build(Facts(), {}).grid(1000)
    assert float(grid.alpha[1]) == pytest.approx(float(linear.alpha[1]), rel=1e-15)
    assert bool((grid.alpha[2:] < linear.alpha[2:]).all())
    few = ZeroTerminalSNR().build(Facts(), {}).grid(4)
    assert torch.allclose(few.alpha, grid.alpha[::250], rtol=1e-12)
    assert [f"{v:.6f}" for v in few.alpha_bar.tolist()] == ["1.000000", "0.521533", "0.076029", "0.002690", "0.000000"]
    a, b = ZeroTerminalSNR(beta_1=1e-3).alpha_sigma(0.0015, math)
    assert a == pytest.approx(float(ZeroTerminalSNR(beta_1=1e-3).build(Facts(), {}).grid(1000).alpha[1:3].mean()))
    assert a**2 + b**2 == pytest.approx(1, rel=1e-14)


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
        (ZeroTerminalSNR(), Facts(steps=1001), "it has 1000 steps; process.steps = 1001"),
        (ZeroTerminalSNR(), Facts(steps=1000), None),
        (EDM(sigma_min=1.0, sigma_max=0.5), Facts(), "does not fall at t = 2"),
        (EDM(), Facts(steps=50), None),
        (Sigmoid(), Facts(steps=1000), None),
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
