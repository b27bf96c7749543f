"""Feature networks: their numbers are those of the libraries they come from."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from gentoolkit.components.features.random import Random
from gentoolkit.components.features.timm import Timm
from gentoolkit.registry import GentoolError
from gentoolkit.testing import tiny_facts

from ...random_weights import timm_file

NAME = "test_resnet.r160_in1k"
COLOUR = tiny_facts("image", (3, 12, 12))


def images(n, channels=3, size=12):
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_network_of_timm_gives_what_timm_gives():
    look = Timm(model=NAME, weights=str(timm_file(NAME))).build(COLOUR, {})
    net = timm.create_model(NAME, num_classes=0).eval()
    net.load_state_dict(load_file(timm_file(NAME)), strict=False)
    about = net.pretrained_cfg
    x = images(5).float() / 255
    x = torch.nn.functional.interpolate(x, about["input_size"][1:], mode=about["interpolation"], antialias=True).clamp(0, 1)
    x = (x - torch.tensor(about["mean"]).view(3, 1, 1)) / torch.tensor(about["std"]).view(3, 1, 1)
    with torch.no_grad():
        np.testing.assert_allclose(look(images(5))["features"], net(x).numpy(), rtol=1e-5, atol=1e-6)
    assert look.key.startswith(f"timm-{NAME}-{about['interpolation']}-160-")


def test_names_that_timm_does_not_know_are_refused_with_the_nearest():
    with pytest.raises(GentoolError, match=r"no network 'vgg61'; did you mean .*vgg16"):
        Timm(model="vgg61", weights=str(timm_file(NAME))).build(COLOUR, {})
    with pytest.raises(GentoolError, match="is not of this network"):
        Timm(model="test_vit.r160_in1k", weights=str(timm_file(NAME))).build(COLOUR, {})
    assert [option for option, *_ in Timm(model="hf-hub:some/net").check(COLOUR)] == ["model"]


def test_grey_is_colour_and_blocks_change_nothing():
    look = Random().build(tiny_facts("image", (1, 12, 12)), {})
    grey = images(150, channels=1)
    rows = look(grey)["features"]
    assert rows.shape == (150, 128)
    np.testing.assert_array_equal(rows, look(grey.expand(-1, 3, -1, -1))["features"])
    np.testing.assert_allclose(rows[64:70], look(grey[64:70])["features"], rtol=1e-5, atol=1e-6)
    assert copy.deepcopy(look) is look


def test_a_random_network_is_a_function_of_its_options():
    x = images(3)
    rows, other, wide = (Random(**o).build(COLOUR, {}) for o in ({}, {"seed": 1}, {"width": 4}))
    assert np.abs(rows(x)["features"] - other(x)["features"]).max() > 0.1
    assert wide(x)["features"].shape == (3, 32)
    assert len({rows.key, other.key, wide.key}) == 3


def test_a_network_runs_where_the_model_lies():
    model = torch.nn.Linear(1, 1)
    look = Random().build(COLOUR, {"model": model})
    model.to("meta")
    with pytest.raises((NotImplementedError, RuntimeError)):  # it followed: there are no numbers on that device
        look(images(2))
