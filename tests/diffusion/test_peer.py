"""Every step of linear-1000 has the mean and variance that diffusers' DDPM scheduler gives it."""

from __future__ import annotations

import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from gentoolkit.components.parametrizations.posterior import EpsPosterior
from gentoolkit.components.schedules.linear import Linear
from gentoolkit.diffusion import GaussianForward, per_sample
from gentoolkit.registry import Facts

T = 1000


@pytest.fixture(scope="module")
def peer():
    return DDPMScheduler(T, beta_schedule="linear", variance_type="fixed_small", clip_sample=False)


@pytest.fixture(scope="module")
def q():
    curve = Linear().build(Facts(), {})
    return GaussianForward(curve.grid(T), curve)


def test_betas_and_alpha_bars(peer, q):
    assert torch.allclose(q.grid.beta[1:].float(), peer.betas, rtol=2e-4, atol=0)
    assert torch.allclose(q.grid.alpha_bar[1:].float(), peer.alphas_cumprod, rtol=2e-4, atol=0)
    exact = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    assert torch.allclose(q.grid.beta[1:], exact, rtol=1e-9)


def test_mean_and_variance_of_every_step(peer, q):
    x_t, eps = torch.linspace(-2, 2, 8)[None], torch.linspace(1, -1.5, 8)[None]
    t, many = torch.arange(1, T + 1), x_t.double().expand(T, 8)
    ours = q.posterior(q.x_0_from_eps(eps.double().expand(T, 8), many, t), many, t)
    stepped = torch.cat([noiseless_step(peer, n, x_t, eps) for n in range(T)])
    assert torch.allclose(ours.mean.float(), stepped, rtol=1e-3, atol=5e-4)
    variances = torch.stack([peer._get_variance(n) for n in range(T)])
    assert torch.allclose(ours.variance[1:, 0].float(), variances[1:], rtol=1e-3)
    assert ours.variance[0] == 0


def noiseless_step(peer, n, x_t, eps):
    """The peer's own step, its noise taken off again."""
    stepped = peer.step(eps, n, x_t, generator=torch.Generator().manual_seed(n)).prev_sample
    noise = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(n))
    return stepped - peer._get_variance(n).sqrt() * noise if n else stepped


def test_adding_noise(peer, q):
    x_0, eps = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 3)
    t = torch.tensor([1, 10, 400, 999, 1000])
    assert torch.allclose(q.marginal(x_0, t, eps), peer.add_noise(x_0, eps, t - 1), rtol=1e-4, atol=1e-5)


def test_v(peer, q):
    x_0, eps = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 3)
    t = torch.tensor([1, 10, 400, 999, 1000])
    assert torch.allclose(q.v(x_0, eps, t), peer.get_velocity(x_0, eps, t - 1), rtol=1e-4, atol=1e-5)


def test_fixed_large_is_the_transition(peer, q):
    large = DDPMScheduler(T, beta_schedule="linear", variance_type="fixed_large", clip_sample=False)
    t = torch.arange(2, T + 1)
    ours = q.transition(t, t - 1)[1]
    theirs = torch.stack([large._get_variance(n) for n in range(1, T)])
    assert torch.allclose(ours.float(), theirs, rtol=1e-3)
    assert per_sample(ours, torch.zeros(T - 1, 2)).shape == (T - 1, 1)


def test_a_learned_variance_is_read_as_improved_ddpms(q):
    """`learned_range` of the peer, which gives the log; beyond [-1, 1] too."""
    theirs = DDPMScheduler(T, beta_schedule="linear", variance_type="learned_range", clip_sample=False)
    p = EpsPosterior(variance="learned").build(Facts(), {"process": q})
    v = torch.tensor([[-1.0, -0.3, 0.0, 0.5, 1.0, 1.5]])
    t = torch.arange(2, T + 1)
    x_t, raw = torch.zeros(T - 1, 6), torch.cat([torch.zeros(T - 1, 6), v.expand(T - 1, 6)], 1)
    log_variance = torch.cat([theirs._get_variance(n, v) for n in range(1, T)])
    assert torch.allclose(p.distribution(raw, x_t, t, t - 1).variance, log_variance.exp(), rtol=2e-3)
