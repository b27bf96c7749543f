"""The perceptrons of the toy experiment, and what networks make of the level."""

from __future__ import annotations

import math
from dataclasses import replace

import attrs
import pytest
import torch

from gentoolkit.components.denoisers import mlp as denoisers
from gentoolkit.components.discriminators import mlp as discriminators
from gentoolkit.components.encoders import mlp as encoders
from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels, level_input, onehot, sinusoidal
from gentoolkit.components.networks.layers import Perceptron, ZeroConv2d, ZeroEmbedding, ZeroLinear, group_norm, groups_of
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts
from gentoolkit.testing import tiny_facts

T = torch.tensor([1, 4])
Denoiser, Discriminator, Encoder = denoisers.MLP, discriminators.MLP, encoders.MLP


def level(time=None):
    curve = VP().build(Facts(), {})
    return GaussianForward(curve.grid(4), curve).level(T if time is None else time)


def test_level_inputs():
    """Networks receive t - 1, as the released ones do (0..T-1)."""
    assert level_input(level(), "step").tolist() == [0, 3]
    assert level_input(level(), "step").dtype == torch.float32
    assert level_input(level(), "time").tolist() == [0.25, 1.0]
    assert torch.equal(level_input(level(), "log_snr"), level().log_snr)
    with pytest.raises(ValueError, match="between the steps of its grid"):
        level_input(level(torch.tensor([0.3])), "step")


def test_sinusoidal_embedding():
    out = sinusoidal(torch.tensor([0.0, 2.0], dtype=torch.float64), 8)
    frequencies = [10_000 ** (-k / 3) for k in range(4)]
    assert out.dtype == torch.float64
    assert out[0].tolist() == [0] * 4 + [1] * 4
    assert out[1].tolist() == pytest.approx([math.sin(2 * f) for f in frequencies] + [math.cos(2 * f) for f in frequencies])


def test_the_time_embedding_scales_what_it_embeds():
    """Time spans DDPM's 1000 steps, log_snr is clipped; the step is as it is."""
    low = replace(level(), log_snr=torch.tensor([-29.0, 3.0]))
    for name, scalar in (("time", [250.0, 1000.0]), ("step", [0.0, 3.0]), ("log_snr", [-20.0, 3.0])):
        made = TimeEmbedding(name, 8, 5)
        expected = made.out(torch.nn.functional.silu(made.hidden(sinusoidal(torch.tensor(scalar), 8))))
        assert torch.allclose(made(low), expected)
        assert expected.shape == (2, 5)


def test_labels_that_are_not_there_are_hidden():
    like = torch.zeros(2, 3, dtype=torch.float64)
    assert labels(Condition(), 4, like).tolist() == [4, 4]
    assert labels(Condition(y=torch.tensor([0, 4])), 4, like).tolist() == [0, 4]
    assert onehot(Condition(y=torch.tensor([1, 2])), 2, like).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert onehot(Condition(), 2, like).dtype == torch.float64


def test_layers_that_start_at_zero():
    for layer in (ZeroLinear(3, 2), ZeroConv2d(3, 2, 1), ZeroConv2d(3, 2, 1, bias=False), ZeroEmbedding(3, 2)):
        assert all(bool((p == 0).all()) for p in layer.parameters())
        assert list(layer.parameters())


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (4, 1), (8, 2), (12, 3), (20, 5), (64, 16), (128, 32), (1024, 32)])
def test_groups_have_four_channels_or_more_and_are_at_most_32(channels, groups):
    assert groups_of(channels) == groups == group_norm(channels).num_groups
    assert channels % groups == 0


def test_a_perceptron_has_the_depth_it_says():
    net = Perceptron(3, 5, 2, torch.nn.Linear(5, 4))
    assert [p.shape for p in net.parameters() if p.dim() == 2] == [(5, 3), (5, 5), (4, 5)]
    x = torch.linspace(-2, 2, 6).view(2, 3)
    h = x
    for layer in (net.first, *net.hidden):
        h = torch.where(layer(h) > 0, layer(h), 0.2 * layer(h))
    assert torch.allclose(net(x), net.out(h))


def test_a_perceptron_keeps_coordinates_in_full_precision():
    """bf16 rounds to the third digit; the first and the last layer do not."""
    net = Perceptron(3, 5, 1, torch.nn.Linear(5, 4))
    x = torch.linspace(-2, 2, 6).view(2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        inside = net(x)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, net(x))


@pytest.mark.parametrize("time_input", ["time", "step", "log_snr"])
@pytest.mark.parametrize("config", [Denoiser, Discriminator, Encoder])
def test_time_enters_as_asked(config, time_input):
    """The first layer sees exactly the chosen number, in its own column."""
    facts = tiny_facts(latent=3)
    net = config(width=4, depth=1, time_input=time_input).build(facts, {})
    x, w = torch.ones(2, 2), torch.ones(2, facts.w)
    xs = (x,) if config is Denoiser else (x, x)
    seen = []
    net.net.first.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    net(*xs, level(), Condition(w=w if config is Denoiser else None))
    assert torch.equal(seen[0][:, 2 * len(xs)], level_input(level(), time_input))
    assert config is not Denoiser or Denoiser(time_input=time_input).offer(facts) == {"any_time": time_input != "step"}


def test_starting_points():
    """D starts undecided, r at the prior; the denoiser starts anywhere."""
    x, facts = torch.randn(2, 2, generator=torch.Generator().manual_seed(0)), tiny_facts(latent=3)
    assert torch.equal(Discriminator().build(facts, {})(x, x, level(), Condition()), torch.zeros(2))
    r = Encoder().build(facts, {})(x, x, level(), Condition())
    assert torch.equal(r.mean, torch.zeros(2, 3))
    assert torch.equal(r.variance, torch.ones(2, 3))


def test_variances_stay_finite():
    facts, x = tiny_facts(latent=3), torch.ones(2, 2)
    net = Encoder(width=4, depth=1).build(facts, {})
    for value in (1e6, -1e6):
        torch.nn.init.constant_(net.net.out.bias, value)
        v = net(x, x, level(), Condition()).variance
        assert bool(v.isfinite().all())
        assert bool((v > 0).all())


def test_the_class_enters_as_one_of_classes_plus_a_hidden_one():
    facts = tiny_facts(classes=3)
    net = Denoiser(width=4, depth=1).build(facts, {})
    seen = []
    net.net.first.register_forward_hook(lambda _, args, __: seen.append(args[0][:, -4:]))
    net(torch.ones(2, 2), level(), Condition(y=torch.tensor([1, 3])))
    assert seen[0].tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("config", [Denoiser, Discriminator, Encoder])
def test_what_a_network_cannot_take_is_said(config):
    facts = tiny_facts("image", latent=3, classes=3)
    assert not list(config().fits(facts))
    points = attrs.make_class("PointsOnly", [], bases=(config,))
    points.kinds, points.takes_class = ("points",), False
    assert [c[0] for c in points().fits(facts)] == ["use", "use"]
    said = " ".join(c[1] for c in points().fits(facts))
    assert "it takes points; data 'tiny' gives image of shape (1, 8, 8)" in said
    assert "takes no class" in said
    if config is Denoiser:
        points.takes_latent = False
        assert "has one of width 3" in list(points().fits(facts))[-1][1]
    if config is Encoder:
        assert [c[1] for c in config().fits(tiny_facts())] == ["the recipe has no latent, so there is nothing to infer"]


def test_without_x_t_the_perceptrons_are_those_of_a_plain_gan():
    facts = tiny_facts(latent=3, steps=1)
    n = 5
    noise = torch.Generator().manual_seed(0)
    x, other, x_1, other_x_1 = torch.randn(4, n, 2, generator=noise)
    w = torch.randn(n, facts.w, generator=noise)
    at = level(torch.ones(n, dtype=torch.long))
    generator = Denoiser(width=8, depth=1, sees_x_t=False).build(facts, {})
    judge = Discriminator(width=8, depth=1, sees_x_t=False).build(facts, {})
    torch.nn.init.normal_(judge.net.out.weight, generator=noise)
    assert generator.net.first.in_features == 1 + facts.w
    assert judge.net.first.in_features == 2 + 1
    assert torch.equal(generator(x_1, at, Condition(w=w)), generator(other_x_1, at, Condition(w=w)))
    assert torch.equal(judge(x, x_1, at, Condition()), judge(x, other_x_1, at, Condition()))
    assert bool((judge(x, x_1, at, Condition()) != judge(other, x_1, at, Condition())).all())


def test_a_denoiser_without_x_t_needs_a_latent_and_takes_one_step():
    blind = Denoiser(sees_x_t=False)
    assert [option for option, *_ in blind.check(tiny_facts(steps=1))] == ["sees_x_t"]
    assert [option for option, *_ in blind.check(tiny_facts(latent=3))] == ["sees_x_t"]
    assert not list(blind.check(tiny_facts(latent=3, steps=1)))
    assert not list(Denoiser().check(tiny_facts()))
    assert [option for option, _ in Discriminator(sees_x_t=False).note(tiny_facts(latent=3))] == ["sees_x_t"]
    assert not list(Discriminator(sees_x_t=False).note(tiny_facts(steps=1)))
