"""Instance noise: its sizes, its share, on x_{t-1} alone."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.augmentations.instance_noise import InstanceNoise
from gentoolkit.diffusion import Draw
from gentoolkit.testing import tiny_facts

B, D = 4096, 64


def noise(**options):
    change = InstanceNoise(**options).build(tiny_facts("points", (D,)), {})
    x = torch.full((B, D), 3.0, dtype=torch.float64)
    return change(x, Draw((0,), 0, B, dtype=torch.float64)) - 3


def test_sizes_are_log_uniform_and_the_rest_is_clean():
    added = noise(smallest=0.1, largest=0.4, share=0.75)
    size = added.square().mean(1).sqrt()
    noisy = size > 0
    assert float(noisy.double().mean()) == pytest.approx(0.75, abs=0.03)
    log = size[noisy].log2()
    assert math.log2(0.1) - 0.5 < float(log.min())
    assert float(log.max()) < math.log2(0.4) + 0.5
    assert float(log.mean()) == pytest.approx(math.log2(0.2), abs=0.05)
    assert float(log.std()) == pytest.approx(2 / math.sqrt(12), rel=0.05)


def test_one_size_for_all():
    assert float(noise(smallest=0.3, largest=0.3, share=1.0).std()) == pytest.approx(0.3, rel=0.01)


def test_sizes_must_be_in_order():
    (complaint,) = InstanceNoise(smallest=0.5, largest=0.2).check(tiny_facts())
    assert complaint[0] == "largest"
