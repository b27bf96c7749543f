"""R1: gamma/2 ‖∇D‖² on real pairs, with respect to x_prev alone."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.regularizers import Judged
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.diffusion import Draw, sum_per_sample
from gentoolkit.registry import Facts

B, SHAPE = 4, (1, 2, 3)


def logits(x, x_t):
    """A smooth D that couples x_prev with x_t, so that differentiating the wrong one shows."""
    return sum_per_sample(torch.sin(x) * (1 + x_t**2)) + sum_per_sample(x**3) / 3


def court(config, real_grad=True):
    g = torch.Generator().manual_seed(0)
    real, fake, x_t = torch.randn(3, B, *SHAPE, generator=g, dtype=torch.float64)
    real.requires_grad_(real_grad)
    x_t.requires_grad_()
    fake.requires_grad_()
    judged = Judged(real, fake, logits(real, x_t), logits(fake, x_t), x_t, None, None)
    return config.build(Facts(), {})(lambda x: logits(x, x_t), judged, Draw((), 0, B)), real, fake, x_t


@pytest.mark.parametrize("gamma", [0.0, 0.05, 2.0])
def test_it_is_half_gamma_times_the_squared_gradient_by_finite_differences(gamma):
    value, real, _, x_t = court(R1(gamma=gamma))
    x, h = real.detach(), 1e-5
    square = torch.zeros(B, dtype=torch.float64)
    for i in range(x[0].numel()):
        step = torch.zeros(x[0].numel(), dtype=torch.float64)
        step[i] = h
        step = step.view(SHAPE)
        square += ((logits(x + step, x_t) - logits(x - step, x_t)) / (2 * h)).detach() ** 2
    assert value.shape == (B,)
    assert torch.allclose(value, gamma / 2 * square, rtol=1e-7)


def test_only_real_pairs_count():
    value, real, fake, _ = court(R1())
    to_real, to_fake = torch.autograd.grad(value.sum(), (real, fake), allow_unused=True)
    assert to_fake is None
    assert bool((to_real != 0).any())


def test_with_respect_to_x_prev_alone():
    """The penalty is ‖cos(x)(1 + x_t²) + x²‖²/2: no term of the gradient with respect to x_t."""
    value, real, _, x_t = court(R1())
    assert torch.allclose(value, sum_per_sample((torch.cos(real) * (1 + x_t**2) + real**2) ** 2) / 2, rtol=1e-12)


def test_lazy_without_gain_unless_asked_for():
    """DDGAN does not multiply gamma by the interval, StyleGAN2 does."""
    plain, lazy, scaled = (court(R1(gamma=0.5, every=e, scale_by_every=s))[0] for e, s in ((1, False), (15, False), (15, True)))
    assert torch.equal(plain, lazy)
    assert torch.allclose(scaled, 15 * plain, rtol=1e-12)
    assert R1().second_order
    assert R1(every=15).every == 15


def test_logits_of_several_scales_are_averaged():
    x = torch.ones(B, 2, dtype=torch.float64, requires_grad=True)
    judged = Judged(x, x, torch.stack([x[:, 0], 2 * x[:, 0]], dim=1), None, x, None, None)
    value = R1(gamma=2.0).build(Facts(), {})(lambda v: v, judged, Draw((), 0, B))
    assert value.tolist() == [2.25] * B


def test_under_autocast_the_pair_is_judged_again_in_full_precision():
    """A gradient of bf16 gradients carries percents of noise."""
    layer = torch.nn.Linear(3, 1, bias=False)
    real = torch.randn(B, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(real)[:, 0]
        assert rough.dtype == torch.bfloat16
        judged = Judged(real, real, rough, rough, real, None, None, exact=False)
        with torch.autocast("cpu", enabled=False):  # as the engine calls it
            value = R1(gamma=2.0).build(Facts(), {})(lambda x: layer(x)[:, 0], judged, Draw((), 0, B))
    assert value.dtype == torch.float32
    assert torch.allclose(value, layer.weight.square().sum().expand(B), rtol=1e-6)
