"""Gaussians against torch's own, and the helpers of broadcasting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

import gentoolkit
from gentoolkit.diffusion import Draw, Gaussian, mean_per_sample, per_sample, sum_per_sample

B, SHAPE = 3, (2, 4, 5)


def tensors(seed=0):
    g = torch.Generator().manual_seed(seed)
    mean, x = torch.randn(2, B, *SHAPE, generator=g, dtype=torch.float64)
    return mean, torch.rand(B, *SHAPE, generator=g, dtype=torch.float64) + 0.1, x


def independent(mean, variance):
    return Independent(Normal(mean, variance.sqrt().expand_as(mean)), len(SHAPE))


@pytest.mark.parametrize("broadcast", [False, True])
def test_log_prob_and_kl_are_torchs(broadcast):
    (m, v, x), (n, u, _) = tensors(), tensors(1)
    if broadcast:
        v, u = per_sample(v[:, 0, 0, 0], m), per_sample(u[:, 0, 0, 0], m)
    p, q = Gaussian(m, v), Gaussian(n, u)
    assert torch.allclose(p.log_prob(x), independent(m, v).log_prob(x), rtol=1e-12)
    assert torch.allclose(p.kl(q), kl_divergence(independent(m, v), independent(n, u)), rtol=1e-12)
    assert torch.allclose(p.kl(p), torch.zeros(B, dtype=torch.float64))
    assert p.kl(q).shape == (B,)


def test_draws_are_keyed_differentiable_and_have_the_moments():
    n = 20_000
    mean = torch.full((n, 2), 3.0, requires_grad=True)
    variance = torch.tensor([[0.25, 4.0]], requires_grad=True)
    x = Gaussian(mean, variance).rsample(Draw(("g",), 0, n))
    assert x.mean(0).tolist() == pytest.approx([3, 3], abs=6 * 2 / n**0.5)
    assert x.var(0).tolist() == pytest.approx([0.25, 4], rel=6 * (2 / n) ** 0.5)
    x.sum().backward()
    assert bool((mean.grad == 1).all())
    assert bool((variance.grad != 0).all())
    again = Gaussian(mean.detach()[:9], variance.detach()).rsample(Draw(("g",), 0, 9))
    assert torch.equal(again, x.detach()[:9])


def test_variance_zero_is_a_point():
    p = Gaussian(torch.ones(4, 2), torch.zeros(4, 1))
    assert torch.equal(p.rsample(Draw((), 0, 4)), torch.ones(4, 2))


@pytest.mark.parametrize("shape", [(2,), (3, 4, 5), ()])
def test_per_sample_numbers_meet_tensors_of_any_rank(shape):
    values, like = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.zeros(2, *shape, dtype=torch.float32)
    spread = per_sample(values, like)
    assert spread.dtype == torch.float32
    assert (like + spread).shape == like.shape
    assert torch.equal((like + spread).reshape(2, -1)[:, 0], torch.tensor([1.0, 2.0]))


def test_sums_and_means_per_sample():
    x = torch.arange(24.0).view(2, 3, 4)
    assert sum_per_sample(x).tolist() == [66, 210]
    assert mean_per_sample(x).tolist() == [5.5, 17.5]


def test_nobody_broadcasts_by_hand():
    """`[:, None, None, None]` works for images alone; `per_sample` is the one way."""
    banned = re.compile(r"\[\s*:\s*,\s*None\s*,\s*None\s*,\s*None\s*\]|\.view\(-1, 1, 1, 1\)|\.reshape\(-1, 1, 1, 1\)")
    root = Path(gentoolkit.__file__).parent
    files = sorted(root.rglob("*.py"))
    assert len(files) > 50
    assert banned.search("x[:, None, None, None]")
    assert [f"{f.relative_to(root)}" for f in files if banned.search(f.read_text(encoding="utf-8"))] == []
