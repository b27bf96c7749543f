"""The contract of networks catches what it is for: each check is shown a network that breaks it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gentoolkit.components.denoisers import mlp as denoisers
from gentoolkit.components.discriminators import mlp as discriminators
from gentoolkit.registry import component
from gentoolkit.testing import tiny_facts
from gentoolkit.testing.plugin import SUITES
from gentoolkit.testing.suite import Case

WITH_CLASS = tiny_facts(latent=3, classes=4)


def network(slot, spoil, **facts):
    """The slot's perceptron with something done to it, `spoil(net) -> forward or None`."""
    base = {"denoiser": denoisers.MLP, "discriminator": discriminators.MLP}[slot]

    @component
    class Spoilt(base):
        """A perceptron that breaks one promise."""

        def build(self, facts, parts):
            net = base.build(self, facts, parts)
            forward = spoil(net)
            if forward is not None:
                net.forward = forward
            return net

    return Case(Spoilt(width=6, depth=1), tiny_facts(**facts) if facts else WITH_CLASS)


def around(change):
    """`spoil` that changes what the network puts out, or sees."""

    def spoil(net):
        forward = net.forward
        return lambda *args: change(forward, *args)

    return spoil


class OnceOnly(torch.autograd.Function):
    """tanh whose derivative is a constant to whoever differentiates it again."""

    @staticmethod
    def forward(ctx, x):
        ctx.slope = 1 - torch.tanh(x).detach() ** 2
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.slope


def idle_weight(net):
    net.idle = nn.Parameter(torch.zeros(3))


def stray_buffer(net):
    net.register_buffer("stray", torch.zeros(1, device="cpu"), persistent=False)


def scratch(net):
    net.register_buffer("scale", torch.full((1,), 2.0), persistent=False)
    forward = net.forward
    return lambda *args: forward(*args) * net.scale


def hidden_state(net):
    net.register_buffer("shift", torch.randn(1), persistent=False)
    forward = net.forward
    return lambda *args: forward(*args) + net.shift


def unseeded(net):
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        net.net.first.weight.copy_(torch.rand(net.net.first.weight.shape, generator=generator))


def without(name):
    from dataclasses import replace

    def spoil(net):
        forward = net.forward

        def blind(*args):
            value = getattr(args[-1], name)
            return forward(*args[:-1], replace(args[-1], **{name: torch.zeros_like(value)}))

        return blind

    return spoil


def borrowed_block(net):
    first, forward = net.net.first, net.forward
    net.blocks = [first]
    return lambda *args: forward(*args) + first.weight.sum()


def stray_block(net):
    net.blocks = [nn.ModuleList([net.net.first])]


NETWORKS = {
    "shapes_and_dtypes_are_as_promised": network("denoiser", around(lambda f, *a: f(*a)[:, :1])),
    "float64_agrees_with_float32": network("denoiser", around(lambda f, *a: f(*a) * (2 if a[0].dtype == torch.float64 else 1))),
    "gradients_reach_every_parameter": network("denoiser", idle_weight),
    "everything_it_is_given_matters": network("denoiser", without("w")),
    "a_hidden_label_is_a_class_of_its_own": network("denoiser", without("y")),
    "samples_do_not_leak_into_each_other": network("denoiser", around(lambda f, *a: f(*a) + a[0].mean(0))),
    "inputs_are_left_alone": network("denoiser", around(lambda f, *a: f(a[0].mul_(2), *a[1:]))),
    "memory_layout_does_not_matter": network("denoiser", around(lambda f, *a: f(*a) + a[0].stride(0))),
    "weights_follow_from_the_seed": network("denoiser", unseeded),
    "its_state_dict_is_all_there_is": network("denoiser", hidden_state),
    "it_can_be_built_without_memory": network("denoiser", stray_buffer),
    "its_gradient_has_a_gradient": network("discriminator", around(lambda f, *a: OnceOnly.apply(f(*a))), steps=4),
    "its_blocks_have_their_weights_while_they_are_called": network("denoiser", borrowed_block),
}
MORE_NETWORKS = [
    ("its_blocks_have_their_weights_while_they_are_called", network("denoiser", stray_block)),
    ("everything_it_is_given_matters", network("denoiser", around(lambda f, x, level, c: f(x, level_0(level), c)))),
    ("it_can_be_built_without_memory", network("denoiser", scratch)),
    ("samples_do_not_leak_into_each_other", network("discriminator", around(lambda f, *a: f(*a) + f(*a).mean()), steps=4)),
]


def level_0(level):
    import dataclasses

    return dataclasses.replace(level, time=torch.zeros_like(level.time))


def check_called(slot, name):
    return next(c for c in SUITES[slot].checks if c.__name__ == name)


@pytest.mark.parametrize(("name", "case"), [*NETWORKS.items(), *MORE_NETWORKS])
def test_networks(name, case):
    with pytest.raises(AssertionError):
        check_called("denoiser", name)(case)


def test_every_check_of_networks_is_shown_to_refuse():
    assert set(NETWORKS) == {c.__name__ for c in SUITES["denoiser"].checks}
