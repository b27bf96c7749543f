"""R2, WGAN-GP, approximate R1: each against its formula on a discriminator that can be differentiated by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gentoolkit.components.regularizers import Judged
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.components.regularizers.r2 import R2
from gentoolkit.components.regularizers.wgan_gp import WGANGP
from gentoolkit.diffusion import Draw, sum_per_sample
from gentoolkit.registry import Facts

B, SHAPE = 4, (1, 2, 3)


def logits(x, x_t):
    """Its gradient is cos(x)(1 + x_t²) + x²."""
    return sum_per_sample(torch.sin(x) * (1 + x_t**2)) + sum_per_sample(x**3) / 3


def slope(x, x_t):
    return torch.cos(x) * (1 + x_t**2) + x**2


def court(config, discriminate=logits, n=B, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    real, fake, x_t = torch.randn(3, n, *SHAPE, generator=g, dtype=dtype)
    real.requires_grad_("real" in config.differentiates)
    fake.requires_grad_("fake" in config.differentiates)
    exact = not torch.is_autocast_enabled("cpu")
    judged = Judged(real, fake, discriminate(real, x_t), discriminate(fake, x_t), x_t, None, None, exact)
    rng = Draw((seed,), 0, n, dtype=dtype)
    with torch.autocast("cpu", enabled=False):  # as the engine calls it
        return config.build(Facts(), {})(lambda x: discriminate(x, x_t), judged, rng), real, fake, x_t


def test_r2_is_half_gamma_times_the_squared_gradient_at_the_fake_point():
    value, real, fake, x_t = court(R2(gamma=0.6))
    assert torch.allclose(value, 0.3 * sum_per_sample(slope(fake, x_t) ** 2), rtol=1e-12)
    assert not real.requires_grad


def test_wgan_gp_is_the_squared_distance_of_the_norm_to_1_between_real_and_fake():
    value, real, fake, x_t = court(WGANGP(gamma=10.0))
    u = Draw((0,), 0, B, dtype=torch.float64).uniform("between").view(B, 1, 1, 1)
    norm = sum_per_sample(slope(u * real + (1 - u) * fake, x_t) ** 2).sqrt()
    assert torch.allclose(value, 10 * (norm - 1) ** 2, rtol=1e-9)
    assert not real.requires_grad
    assert not fake.requires_grad


def test_wgan_gp_of_a_critic_of_slope_1_is_zero_and_of_a_flat_one_has_a_gradient():
    unit = court(WGANGP(), lambda x, x_t: x[:, 0, 0, 0])[0]
    assert torch.allclose(unit, torch.zeros(B, dtype=torch.float64), atol=1e-10)
    weight = torch.zeros((), dtype=torch.float64, requires_grad=True)
    flat = court(WGANGP(gamma=3.0), lambda x, x_t: weight * sum_per_sample(x))[0]
    assert torch.allclose(flat, torch.full((B,), 3.0, dtype=torch.float64), atol=1e-4)
    flat.sum().backward()
    assert bool(weight.grad.isfinite())


def test_approximate_r1_is_r1_on_average_for_small_deviations():
    value, real, _, x_t = court(R1(gamma=2.0, approximate=True, std=1e-4), n=20_000)
    exact = sum_per_sample(slope(real, x_t) ** 2)
    assert float((value / exact).mean()) == pytest.approx(1, abs=0.04)  # the deviation of a squared normal number is √2
    assert not real.requires_grad


def test_approximate_r1_is_a_difference_quotient_and_knows_its_own_deviation():
    for std in (0.01, 0.5):
        value, real, _, x_t = court(R1(gamma=0.6, approximate=True, std=std))
        noise = Draw((0,), 0, B, dtype=torch.float64).normal("noise", SHAPE)
        moved = logits(real + std * noise, x_t) - logits(real, x_t)
        assert torch.allclose(value, 0.3 * (moved / std) ** 2, rtol=1e-9)


def test_approximate_r1_differentiates_once():
    assert not R1(approximate=True).second_order
    assert R1(approximate=True).differentiates == ()
    w = torch.ones((), dtype=torch.float64, requires_grad=True)
    value = court(R1(approximate=True), lambda x, x_t: w * logits(x, x_t))[0]
    (gradient,) = torch.autograd.grad(value.sum(), w)
    assert torch.allclose(gradient, 2 * value.sum().detach(), rtol=1e-9)


@pytest.mark.parametrize("config", [R1(approximate=True, std=0.1, gamma=2.0), R2(gamma=2.0), WGANGP(gamma=2.0)])
def test_under_autocast_the_points_are_judged_in_full_precision(config):
    layer = nn.Linear(6, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.3, 1.7, 6))

    def discriminate(x, x_t):
        return layer(x.flatten(1))[:, 0]

    exact = court(config, discriminate, dtype=torch.float32)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = court(config, discriminate, dtype=torch.float32)[0]
    assert exact.dtype == rough.dtype == torch.float32
    assert torch.equal(exact, rough)


def test_laziness_scales_where_asked():
    for cls in (R2, WGANGP):
        plain, scaled = (court(cls(gamma=0.5, every=e, scale_by_every=True))[0] for e in (1, 4))
        assert torch.allclose(4 * plain, scaled, rtol=1e-12)
