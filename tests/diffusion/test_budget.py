"""The latent budget against closed forms, a numerical integral, and the information that a step really holds."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward, MixtureOracle, latent_budget
from gentoolkit.registry import Facts

ONE = {"means": [[0.3, -0.2, 1.0]], "std": 0.7, "weights": [1.0]}
TWO = {"means": [[-1.0], [1.0]], "std": 0.2, "weights": [0.3, 0.7]}


def process(T=4):
    return GaussianForward(VP().build(Facts(), {}).grid(T))


def test_the_factors_of_four_steps():
    found = latent_budget(process())
    assert [row.t for row in found] == [1, 2, 3, 4]
    assert found[0].factor == math.inf
    assert [f"{row.factor:.3g}" for row in found[1:]] == ["0.507", "0.0412", "0.00171"]
    assert all(row.nats is None and row.signal is None for row in found)
    assert latent_budget(process(), decoder_std=0.1)[0].factor == pytest.approx(50)


def test_a_single_gaussian_has_it_in_closed_form():
    """Cov(x_0 | x_t) = tau² sigma² / (alpha² tau² + sigma²) I, whatever x_t."""
    q = process()
    for row in latent_budget(q, ONE, decoder_std=0.2, samples=10):
        bar = float(q.grid.alpha_bar[row.t])
        variance = 0.49 * (1 - bar) / (bar * 0.49 + 1 - bar)
        assert row.nats == pytest.approx(3 * row.factor * variance, rel=1e-12)
        assert row.signal == pytest.approx(2 * row.factor * variance, rel=1e-12)


@pytest.mark.parametrize("t", [2, 3, 4])
def test_two_gaussians_by_integration(t):
    q = process()
    oracle = MixtureOracle.of(q, TWO)
    alpha, sigma = (float(v[t]) for v in (q.grid.alpha, q.grid.sigma))
    x_0 = torch.linspace(-2.5, 2.5, 4001, dtype=torch.float64)
    p_0 = sum(w * torch.exp(-((x_0 - m) ** 2) / 0.08) for w, m in ((0.3, -1.0), (0.7, 1.0)))
    x_t = torch.linspace(-5, 5, 401, dtype=torch.float64)
    joint = p_0 * torch.exp(-((x_t[:, None] - alpha * x_0) ** 2) / (2 * sigma**2))
    mean = (joint * x_0).sum(1) / joint.sum(1)
    variance = (joint * (x_0 - mean[:, None]) ** 2).sum(1) / joint.sum(1)
    exact = oracle.x_0_covariance(x_t[:, None], torch.full((401,), t))[:, 0, 0]
    assert torch.allclose(exact, variance, rtol=1e-6)
    expected = float((joint.sum(1) * variance).sum() / joint.sum())
    row = latent_budget(q, TWO, samples=20_000)[t - 1]
    assert row.nats == pytest.approx(row.factor * expected, rel=0.03)
    highest = 2 * row.factor * float(variance.max())
    assert 0.99 * highest < row.signal <= highest * 1.0001


def test_it_bounds_what_a_step_learns_of_the_data():
    """I(x_0; x_{t-1}) - I(x_0; x_t) is the integral of ½ mmse over SNR, and mmse is largest at the step's noisy end."""
    q = process(8)
    snr = q.snr(torch.arange(1, 9)).tolist()
    for row in latent_budget(q, ONE, samples=10)[1:]:
        information = 1.5 * math.log((1 + 0.49 * snr[row.t - 2]) / (1 + 0.49 * snr[row.t - 1]))
        assert information < row.nats


def test_on_25_gaussians_in_four_steps_no_latent_pays_for_itself_where_x_0_is_observed():
    facts = Facts().with_(Gaussians25().offer(Facts()))
    found = latent_budget(process(), facts.mixture)
    assert [f"{row.nats:.2g}" for row in found[1:]] == ["0.93", "0.082", "0.0034"]
    assert all(row.signal < 1 for row in found[1:])
    assert latent_budget(process(), facts.mixture) == found
    assert latent_budget(process(), facts.mixture, seed=1) != found
    assert latent_budget(process(8), facts.mixture)[1].signal > 1
