"""NCSN++ with AdaGN: the sizes of the paper's generators, where things are, how it starts."""

from __future__ import annotations

import attrs
import pytest
import torch
from torch import nn

from gentoolkit.components.denoisers.ncsnpp import NCSNpp
from gentoolkit.components.denoisers.ncsnpp_network import Norm, SelfAttention, places
from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.model import Condition
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts

SMALL = NCSNpp(width=8, mults=(1, 2), blocks=1, attention=(1,))


def facts(size=(8, 8), channels=3, **more):
    shape = (channels, *size)
    return Facts(**{"shape": shape, "raw_channels": channels, "latent": 3, "w": 6, "target": "x_0", **more})


def inputs(known, n=2):
    noise = torch.Generator().manual_seed(0)
    curve = VP().build(known, {})
    level = GaussianForward(curve.grid(4), curve).level(torch.arange(n) % 4 + 1)
    w = None if known.w is None else torch.randn(n, known.w, generator=noise)
    return torch.randn(n, *known.shape, generator=noise), level, Condition(w=w)


def count(*modules):
    return sum(p.numel() for m in modules for p in m.parameters())


@pytest.mark.parametrize(
    ("size", "config", "layers", "parameters"),
    [
        (32, NCSNpp(), 5, 48_432_515),
        (256, NCSNpp(width=64, mults=(1, 1, 2, 2, 4, 4), attention=(4,)), 4, 39_726_979),
    ],
)
def test_the_generators_of_the_paper_have_their_size(size, config, layers, parameters):
    """CIFAR-10, and CelebA-HQ 256; denoiser and mapping network together."""
    latent = GaussianLatent(dim=100, width=256, layers=layers, init="fan-out")
    with torch.device("meta"):
        made = config.build(facts((size, size), latent=100, w=256), {}), latent.build(Facts(), {})
    assert count(*made) == parameters


def test_a_fresh_network_puts_out_about_nothing():
    """Its last layers start near zero, but not at it: gradients pass."""
    torch.manual_seed(0)
    known = facts((32, 32))
    net = NCSNpp(width=16, mults=(1, 2), blocks=1).build(known, {})
    out = net(*inputs(known))
    assert 0 < float(out.detach().abs().max()) < 1e-4
    out.square().sum().backward()
    assert all(bool(p.grad.any()) for p in net.parameters())


def test_blocks_and_attention_lie_where_the_paper_has_them():
    """CIFAR-10: 2 blocks per level down, 3 up, attention at 16x16 and in the middle."""
    plan = list(places(NCSNpp()))
    assert [p.level for p in plan if p.part == "down"] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert [p.level for p in plan if p.part == "up"] == [3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0]
    assert [(p.part, p.level) for p in plan if p.attends] == [("down", 1), ("down", 1), ("middle", 3), ("up", 1)]
    assert [(p.inputs, p.outputs) for p in plan if p.level == 0 and p.part == "up"] == [(384, 128), (256, 128), (256, 128)]
    assert [p.resample for p in plan if p.resample] == ["down"] * 3 + ["up"] * 3


@pytest.mark.parametrize("size", [(16, 8), (8, 16), (6, 20)])
def test_images_need_not_be_square(size):
    """Attention belongs to a level, whatever its width in pixels."""
    known = facts(size)
    net = SMALL.build(known, {})
    assert net(*inputs(known)).shape == (2, 3, *size)
    assert sum(isinstance(m, SelfAttention) for m in net.attend) == 3


def test_without_a_latent_every_norm_learns_its_own_scale():
    """The ablation without latent variable: plain group norm throughout, one scale and offset per channel."""
    net = SMALL.build(facts(latent=None, w=None), {})
    assert net.style is None
    assert all(m.weight is not None for m in net.modules() if isinstance(m, Norm))
    adaptive = SMALL.build(facts(), {})
    blocks = [m for b in adaptive.residual for m in (b.norm_in, b.norm_out)]
    assert all(m.weight is None for m in blocks)
    assert isinstance(adaptive.attend[2].norm, nn.GroupNorm)
    norms = sum(2 * (p.inputs + p.outputs) for p in places(SMALL))
    assert count(adaptive) - count(net) == norms * (6 + 1) - norms


def test_styles_start_around_one_and_zero():
    net = SMALL.build(facts(), {})
    (first, *_) = net.style(torch.zeros(1, 6))
    gamma, beta = first.flatten().chunk(2)
    assert gamma.tolist() == [1] * 8
    assert beta.tolist() == [0] * 8


def test_adaptive_norm_is_its_formula():
    h, style = torch.randn(2, 8, 4, 4), torch.randn(2, 16, 1, 1)
    gamma, beta = style.chunk(2, 1)
    groups = h.view(2, 2, -1)
    normal = (groups - groups.mean(-1, keepdim=True)) / (groups.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
    expected = torch.nn.functional.silu(gamma * normal.view_as(h) + beta)
    assert torch.allclose(Norm(8, adaptive=True)(h, style), expected, atol=1e-5)


def test_dropout_acts_in_training_alone():
    known = facts()
    net = attrs.evolve(SMALL, dropout=0.5).build(known, {})
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
        assert not torch.equal(net(*inputs(known)), net(*inputs(known)))
        assert torch.equal(net.eval()(*inputs(known)), net(*inputs(known)))


def test_tanh_bounds_the_output():
    known = facts()
    plain, bounded = SMALL.build(known, {}), attrs.evolve(SMALL, tanh=True).build(known, {})
    with torch.no_grad():
        for p in plain.parameters():
            p.add_(torch.randn_like(p))
        bounded.load_state_dict(plain.state_dict())
        assert torch.allclose(bounded(*inputs(known)), plain(*inputs(known)).tanh())


@pytest.mark.parametrize(
    ("options", "more", "said"),
    [
        ({}, {"size": (6, 9)}, ("mults", "sides divisible by 2")),
        ({"width": 6}, {}, ("width", "no multiple of 4")),
        ({"mults": (), "attention": ()}, {}, ("mults", "at least one level")),
        ({"attention": (2,)}, {}, ("attention", "there is no level 2")),
        ({"tanh": True}, {"target": "eps"}, ("tanh", "stands for eps")),
        ({"tanh": True}, {"bounded": False}, ("tanh", "goes beyond")),
    ],
)
def test_what_does_not_fit_is_said(options, more, said):
    complaints = list(attrs.evolve(SMALL, **options).check(facts(**more)))
    assert [c[0] for c in complaints] == [said[0]]
    assert said[1] in complaints[0][1]


def test_only_a_network_without_the_step_index_takes_any_time():
    assert SMALL.offer(Facts()) == {"any_time": False}
    assert attrs.evolve(SMALL, time_input="log_snr").offer(Facts()) == {"any_time": True}
