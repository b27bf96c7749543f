"""The authors' initialisations: uniform, of variance scale / fan, biases 0."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.networks.scaled import SMALL, ScaledConv2d, ScaledLinear, scaled_
from gentoolkit.registry import Facts


def spread(weight):
    """(largest size, standard deviation times sqrt 3), which agree for a uniform distribution around 0."""
    return float(weight.detach().abs().max()), float(weight.detach().std()) * math.sqrt(3)


@pytest.mark.parametrize(
    ("fan", "scale", "bound"),
    [("avg", 1.0, math.sqrt(3 / 900)), ("out", 1.0, math.sqrt(3 / 1440)), ("out", SMALL, math.sqrt(3e-10 / 1440))],
)
def test_the_bound_of_a_convolution(fan, scale, bound):
    """40 -> 160 channels, 3x3: fan_in 360, fan_out 1440, their mean 900."""
    torch.manual_seed(0)
    conv = ScaledConv2d(40, 160, 3, scale=scale, fan=fan)
    largest, rooted = spread(conv.weight)
    assert largest == pytest.approx(bound, rel=1e-3)
    assert rooted == pytest.approx(bound, rel=0.02)
    assert not conv.bias.any()
    assert ScaledConv2d(4, 4, 1, bias=False).bias is None


def test_padding_keeps_the_size_at_stride_one():
    x = torch.zeros(1, 4, 9, 9)
    assert ScaledConv2d(4, 5, 3)(x).shape == (1, 5, 9, 9)
    assert ScaledConv2d(4, 5, 1)(x).shape == (1, 5, 9, 9)
    assert ScaledConv2d(4, 5, 3, stride=2)(x).shape == (1, 5, 4, 4)


def test_stacked_layers_start_as_they_would_apart():
    torch.manual_seed(0)
    layer = ScaledLinear(200, [50, 800], "avg")
    for weight, outputs in zip(layer.weight.split([50, 800]), (50, 800), strict=True):
        assert spread(weight)[0] == pytest.approx(math.sqrt(3 / ((200 + outputs) / 2)), rel=1e-2)
    assert not layer.bias.any()


def test_the_authors_mapping_network_is_an_option():
    """End to end: w has zero biases and fan-out weights; the default keeps torch's own."""
    torch.manual_seed(0)
    theirs = GaussianLatent(dim=50, width=400, layers=2, init="fan-out").build(Facts(), {})
    for layer in (theirs.mapping[1], theirs.mapping[3]):
        assert spread(layer.weight)[0] == pytest.approx(math.sqrt(3 / 400), rel=1e-2)
        assert not layer.bias.any()
    plain = GaussianLatent(dim=50, width=400, layers=2).build(Facts(), {})
    assert type(plain.mapping[1]) is nn.Linear
    assert spread(plain.mapping[1].weight)[0] == pytest.approx(1 / math.sqrt(50), rel=1e-2)


def test_a_weight_is_filled_in_place():
    weight = nn.Parameter(torch.zeros(6, 4))
    scaled_(weight, fan="out")
    assert weight.requires_grad
    assert 0 < float(weight.abs().max().detach()) <= math.sqrt(3 / 6)
