"""The forward process and its posterior, on random grids: each law computed a second way."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.linear import Linear
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Curve, Draw, Gaussian, GaussianForward, StepGrid
from gentoolkit.registry import Facts

SCHEDULES = [VP(), VP(start=1e-3, beta_max=9.0), Linear(), Cosine(), Geometric(), Rectified()]
few = settings(max_examples=40, deadline=None, derandomize=True)


def process(schedule=None, T=4, spacing="even"):
    curve = (schedule or VP()).build(Facts(), {})
    return GaussianForward(curve.grid(T, spacing), curve)


@st.composite
def grids(draw):
    """A grid of any schedule, or of arbitrary falling signal-to-noise ratios, and steps 0 <= s < t <= T."""
    T = draw(st.integers(1, 40))
    if draw(st.booleans()):
        schedule = draw(st.sampled_from(SCHEDULES))
        spacing = "even" if schedule.native_steps else draw(st.sampled_from(["even", "quadratic"]))
        q = process(schedule, T, spacing)
    else:
        falls = draw(st.lists(st.floats(0.05, 1.5), min_size=T, max_size=T))
        log_snr = 4 - torch.tensor(falls, dtype=torch.float64).cumsum(0)
        scale = torch.tensor(draw(st.lists(st.floats(0.2, 5), min_size=T, max_size=T)), dtype=torch.float64)
        alpha, sigma = scale * torch.sigmoid(log_snr).sqrt(), scale * torch.sigmoid(-log_snr).sqrt()
        one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        time = torch.linspace(0, 1, T + 1, dtype=torch.float64)
        q = GaussianForward(StepGrid(time, torch.cat([one, alpha]), torch.cat([zero, sigma])))
    t = draw(st.integers(1, T))
    return q, draw(st.integers(0, t - 1)), t


def steps(*values):
    return tuple(torch.tensor([v]) for v in values)


@few
@given(grids(), st.floats(-3, 3), st.floats(-3, 3))
def test_the_posterior_is_the_conditional_of_the_joint_gaussian(drawn, x_0, x_t):
    """(x_s, x_t) given x_0 is jointly Gaussian with covariance a sigma_s²; condition it by the textbook formula."""
    q, s, t = drawn
    (alpha_s, sigma_s), (alpha_t, sigma_t) = ((float(v) for v in q.alpha_sigma(k)) for k in steps(s, t))
    covariance = alpha_t / alpha_s * sigma_s**2
    gain = covariance / sigma_t**2
    mean = alpha_s * x_0 + gain * (x_t - alpha_t * x_0)
    variance = sigma_s**2 - gain * covariance
    p = q.posterior(*(torch.tensor([[v]], dtype=torch.float64) for v in (x_0, x_t)), *reversed(steps(s, t)))
    assert float(p.mean) == pytest.approx(mean, rel=1e-9, abs=1e-9 * (1 + alpha_s))
    assert float(p.variance) == pytest.approx(variance, rel=1e-9, abs=1e-9 * sigma_s**2)
    assert float(p.variance) >= 0
    assert s > 0 or float(p.variance) == 0


@few
@given(grids())
def test_transition_and_posterior_multiply_to_the_joint(drawn):
    """q(x_t | x_s) q(x_s | x_0) = q(x_s | x_t, x_0) q(x_t | x_0): Bayes, in log densities at some points."""
    q, s, t = drawn
    if s == 0:
        return
    at_s, at_t = steps(s, t)
    x_0, x_s, x_t = (torch.tensor([[v, -v / 2]], dtype=torch.float64) for v in (0.7, -0.4, 1.1))
    (a, w), (alpha_s, sigma_s), (alpha_t, sigma_t) = q.transition(at_t, at_s), q.alpha_sigma(at_s), q.alpha_sigma(at_t)
    left = Gaussian(a * x_s, w).log_prob(x_t) + Gaussian(alpha_s * x_0, sigma_s**2).log_prob(x_s)
    right = q.posterior(x_0, x_t, at_t, at_s).log_prob(x_s) + Gaussian(alpha_t * x_0, sigma_t**2).log_prob(x_t)
    assert float(left) == pytest.approx(float(right), rel=1e-8, abs=1e-8)


@few
@given(grids(), st.floats(0, 1))
def test_ddim_keeps_the_marginal_and_is_the_posterior_at_eta_one(drawn, eta):
    q, s, t = drawn
    at_s, at_t = steps(s, t)
    x_0, x_t = (torch.tensor([[v]], dtype=torch.float64) for v in (0.7, -1.2))
    one, posterior = q.ddim(x_0, x_t, at_t, at_s, 1.0), q.posterior(x_0, x_t, at_t, at_s)
    assert torch.allclose(one.mean, posterior.mean, rtol=1e-7, atol=1e-7)
    assert torch.equal(one.variance, posterior.variance)
    p = q.ddim(x_0, x_t, at_t, at_s, eta)
    (alpha_s, sigma_s), (alpha_t, sigma_t) = q.alpha_sigma(at_s), q.alpha_sigma(at_t)
    gain = q.ddim(x_0, x_t + 1, at_t, at_s, eta).mean - p.mean
    assert float(gain**2 * sigma_t**2 + p.variance) == pytest.approx(float(sigma_s**2), rel=1e-7, abs=1e-9)
    at_the_mean = q.ddim(x_0, alpha_t * x_0, at_t, at_s, eta).mean
    assert float(at_the_mean) == pytest.approx(float(alpha_s * x_0), rel=1e-8, abs=1e-9)
    assert eta > 0 or float(p.variance) == 0


@few
@given(grids())
def test_steps_compose(drawn):
    """q(x_t | x_0) through x_s is q(x_t | x_0) itself."""
    q, s, t = drawn
    at_s, at_t = steps(s, t)
    a, w = q.transition(at_t, at_s)
    (alpha_s, sigma_s), (alpha_t, sigma_t) = q.alpha_sigma(at_s), q.alpha_sigma(at_t)
    assert float(w) > 0
    assert float(a * alpha_s) == pytest.approx(float(alpha_t), rel=1e-12, abs=1e-15)
    assert float(a**2 * sigma_s**2 + w) == pytest.approx(float(sigma_t**2), rel=1e-12)


@few
@given(grids(), st.floats(0.02, 2))
def test_the_kl_of_a_step_is_half_the_lost_snr_times_the_squared_error(drawn, decoder_std):
    q, _, t = drawn
    x_0, x_0_hat, x_t = (torch.tensor([[v, 1 - v]], dtype=torch.float64) for v in (0.7, 0.3, -1.2))
    (at_t,) = steps(t)
    snr = q.snr(at_t - 1, decoder_std) - q.snr(at_t, decoder_std)
    kl = q.step_kl(x_0, q.posterior(x_0_hat, x_t, at_t), x_t, at_t, decoder_std)
    expected = float(snr / 2 * ((x_0 - x_0_hat) ** 2).sum())
    # Two equal variances are subtracted on the way, and SNR_1 from SNR_1 + 1/decoder_std².
    size = float(q.snr(torch.maximum(at_t - 1, torch.ones_like(at_t))))
    assert float(kl) == pytest.approx(expected, rel=1e-6, abs=1e-11 * (1 + size))


@few
@given(grids())
def test_x_0_eps_and_v_round_trips(drawn):
    q, _, t = drawn
    (at_t,) = steps(t)
    x_0, eps = (torch.tensor([[v, -v]], dtype=torch.float64) for v in (0.7, -1.3))
    x_t = q.marginal(x_0, at_t, eps)
    alpha, sigma = (float(v) for v in q.alpha_sigma(at_t))
    allowed = 1e-12 * max(1, sigma / alpha if alpha else 1, alpha / sigma)
    assert float((q.x_0_from_v(q.v(x_0, eps, at_t), x_t, at_t) - x_0).abs().max()) <= allowed
    assert float((q.eps_from_x_0(x_0, x_t, at_t) - eps).abs().max()) <= allowed
    if alpha > 0:
        assert float((q.x_0_from_eps(eps, x_t, at_t) - x_0).abs().max()) <= allowed


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_at_t_1_the_posterior_is_x_0_itself(schedule):
    q, t = process(schedule), torch.ones(3, dtype=torch.long)
    x_0, x_t = torch.linspace(-1, 1, 6).double().view(3, 2), torch.full((3, 2), 7.0, dtype=torch.float64)
    p = q.posterior(x_0, x_t, t)
    assert torch.allclose(p.mean, x_0, rtol=1e-14)
    assert torch.equal(p.variance, torch.zeros_like(p.variance))
    assert torch.equal(p.rsample(Draw(("a",), 0, 3)), p.rsample(Draw(("b",), 0, 3)))


def test_no_signal_at_all_at_the_end_works():
    """The straight path ends in pure noise: x_T says nothing of x_0, and nothing is divided by it."""
    q, t = process(Rectified()), torch.tensor([4])
    assert float(q.alpha_sigma(t)[0]) == 0
    assert float(q.snr(t)) == 0
    x_0, x_t = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[-2.0]], dtype=torch.float64)
    p = q.posterior(x_0, x_t, t)
    alpha, sigma = q.alpha_sigma(t - 1)
    assert float(p.mean) == pytest.approx(float(alpha * 0.7))
    assert float(p.variance) == pytest.approx(float(sigma**2))
    assert torch.isfinite(q.ddim(x_0, x_t, t, t - 1, 0.0).mean).all()
    assert float(q.x_0_from_v(q.v(x_0, x_t, t), x_t, t)) == pytest.approx(0.7)
    assert float(q.level(t).log_snr) == -30
    assert math.isfinite(float(q.level(t).c_noise))


def test_snr_with_a_decoder_is_finite_at_0():
    q = process()
    t = torch.arange(5)
    assert float(q.snr(t)[0]) == math.inf
    assert torch.equal(q.snr(t)[1:], q.snr(t, 0.1)[1:])
    assert float(q.snr(t, 0.1)[0] - q.snr(t)[1]) == pytest.approx(100)
    assert torch.allclose(q.snr(t)[1:], (q.grid.alpha_bar / (1 - q.grid.alpha_bar))[1:], rtol=1e-9)


@pytest.mark.parametrize("schedule", [VP(), Geometric(sigma_min=0.1, sigma_max=3.0), Rectified()])
def test_pairs_have_the_joint_moments_of_the_chain(schedule):
    q, n = process(schedule, 3), 20_000
    x_0 = torch.full((n, 1), 0.8, dtype=torch.float64)
    for k in (1, 2, 3):
        t = torch.full((n,), k)
        x_prev, x_t = q.pair(x_0, t, Draw(("pair", k), 0, n, dtype=torch.float64))
        (alpha_s, sigma_s), (alpha_t, sigma_t) = ((float(v) for v in q.alpha_sigma(s)) for s in steps(k - 1, k))
        # (alpha_t/alpha_s) x_s correlates x_t with x_prev; six standard errors everywhere
        covariance = alpha_t / alpha_s * sigma_s**2
        assert float(x_prev.mean()) == pytest.approx(alpha_s * 0.8, abs=6 * sigma_s / n**0.5 + 1e-12)
        assert float(x_t.mean()) == pytest.approx(alpha_t * 0.8, abs=6 * sigma_t / n**0.5)
        assert float(x_prev.var()) == pytest.approx(sigma_s**2, rel=6 * (2 / n) ** 0.5, abs=1e-20)
        assert float(x_t.var()) == pytest.approx(sigma_t**2, rel=6 * (2 / n) ** 0.5)
        found = float(((x_prev - x_prev.mean()) * (x_t - x_t.mean())).mean())
        assert found == pytest.approx(covariance, abs=6 * sigma_s * sigma_t * (2 / n) ** 0.5 + 1e-12)
        if k == 1:
            assert torch.equal(x_prev, x_0), "x_prev at t = 1 is the clean sample, exactly"


def test_renoise_is_the_transition():
    q, n = process(T=4), 20_000
    x_s, s, t = torch.full((n, 1), 0.5, dtype=torch.float64), torch.full((n,), 1), torch.full((n,), 3)
    x_t = q.renoise(x_s, s, t, Draw(("renoise",), 0, n))
    a, w = (float(v[0]) for v in q.transition(t, s))
    assert float(x_t.mean()) == pytest.approx(0.5 * a, abs=6 * (w / n) ** 0.5)
    assert x_t.dtype == torch.float64
    assert float(x_t.var()) == pytest.approx(w, rel=6 * (2 / n) ** 0.5)


def test_the_prior_has_the_schedules_deviation():
    x = process(Geometric(sigma_max=7.0)).prior((2,), Draw(("prior",), 0, 10_000))
    assert x.shape == (10_000, 2)
    assert float(x.std()) == pytest.approx(7, rel=0.05)
    bare = GaussianForward(process().grid).prior((2,), Draw(("prior",), 0, 10_000))
    assert torch.allclose(7 * bare, x, rtol=1e-5)


def test_continuous_times_agree_with_the_grid_and_need_a_curve():
    q = process(T=8)
    x_0, eps = torch.ones(8, 2), torch.full((8, 2), 0.3)
    t = torch.arange(1, 9)
    assert torch.allclose(q.marginal(x_0, t, eps), q.marginal(x_0, q.grid.time[1:], eps))
    assert torch.isfinite(q.marginal(x_0, torch.full((8,), 0.123), eps)).all()
    with pytest.raises(ValueError, match="continuous times need a curve"):
        GaussianForward(q.grid).marginal(x_0, q.grid.time[1:], eps)


def test_curves_take_any_formula():
    curve = Curve(lambda u: (1 - u / 2, u))
    assert curve.grid(2).alpha.tolist() == [1, 0.75, 0.5]
    assert curve.prior_std == 1
