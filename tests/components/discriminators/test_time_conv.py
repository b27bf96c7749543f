"""The paper's discriminators: their size, their start, the minibatch deviation, and what does not fit."""

from __future__ import annotations

import math

import attrs
import pytest
import torch
from torch.nn.functional import softplus

from gentoolkit.components.discriminators.time_conv import TimeConv
from gentoolkit.components.discriminators.time_conv_network import deviation
from gentoolkit.components.model import Condition
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts

TINY = TimeConv(width=4, embedding=8)


def facts(*size, **more):
    return Facts(**{"shape": (3, *size), "data": "pictures", "batch": 8, **more})


def judge(config, size, n=4, seed=0, spread=1.0):
    torch.manual_seed(seed)
    net = config.build(facts(*size), {})
    curve = VP().build(Facts(), {})
    level = GaussianForward(curve.grid(4), curve).level(torch.arange(n) % 4 + 1)
    return net(spread * torch.randn(n, 3, *size), torch.randn(n, 3, *size), level, Condition())


@pytest.mark.parametrize(("preset", "size", "parameters"), [("small", 32, 12_741_633), ("large", 256, 27_737_217)])
def test_the_discriminators_of_the_paper_have_their_size(preset, size, parameters):
    with torch.device("meta"):
        net = TimeConv(preset=preset).build(facts(size, size), {})
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_a_fresh_one_judges_nothing():
    """The small one's loss starts at 2 ln 2, for its last convolution starts near zero; the large one's does not."""
    small = judge(TimeConv(), (32, 32), n=2).detach()
    assert 0 < float(small.abs().max()) < 1e-5  # the authors' own: below 4e-6
    assert float(softplus(-small).mean() + softplus(small).mean()) == pytest.approx(2 * math.log(2), abs=1e-5)
    large = judge(attrs.evolve(TINY, preset="large"), (64, 64)).detach()
    assert 1e-4 < float(large.abs().max()) < 1e-1


@pytest.mark.parametrize(
    ("preset", "size"), [("small", (8, 8)), ("small", (24, 40)), ("small", (64, 16)), ("large", (64, 128))]
)
def test_it_takes_oblong_images_and_all_sizes_between_its_bounds(preset, size):
    config = attrs.evolve(TINY, preset=preset)
    assert list(config.check(facts(*size))) == []
    assert judge(config, size).shape == (4,)


def test_deviation_is_that_of_its_group():
    h = torch.randn(8, 2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def of(samples):
        return float((h[samples].var(0, correction=0) + 1e-8).sqrt().mean())

    near, far = deviation(h, 4, "contiguous"), deviation(h, 4, "reference")
    assert near.shape == (8, 1, 3, 5)
    for i in range(8):
        assert near[i].unique().tolist() == pytest.approx([of([0, 1, 2, 3] if i < 4 else [4, 5, 6, 7])])
        assert far[i].unique().tolist() == pytest.approx([of([i % 2, i % 2 + 2, i % 2 + 4, i % 2 + 6])])
    assert torch.equal(deviation(h[:4], 4, "contiguous"), deviation(h[:4], 4, "reference"))
    # A batch smaller than the group is one group; one that the group does not divide falls back to a smaller group.
    assert float(deviation(h[:3], 4, "contiguous")[0, 0, 0, 0]) == pytest.approx(of([0, 1, 2]))
    assert float(deviation(h[:6], 4, "contiguous")[5, 0, 0, 0]) == pytest.approx(of([3, 4, 5]))


def test_deviation_is_counted_in_full_precision():
    """bf16 in, bf16 out, rounded once."""
    h = torch.randn(4, 8, 4, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(deviation(h, 4, "contiguous"), deviation(h.float(), 4, "contiguous").bfloat16())


def test_layouts_differ_beyond_one_group_alone():
    for n, equal in ((4, True), (8, False)):
        both = [judge(attrs.evolve(TINY, preset="large", stddev_layout=v), (64, 64), n) for v in ("contiguous", "reference")]
        assert torch.equal(*both) == equal


def test_explicit_blocks_replace_the_presets():
    config = attrs.evolve(TINY, mults=(1, 2, 3), full=2)
    assert config.blocks() == ((1, False), (2, False), (3, True))
    assert TimeConv().blocks() == ((2, False), (4, True), (8, True), (8, True))
    assert [m for m, halves in TimeConv(preset="large").blocks() if halves] == [4, 8, 8, 8, 8, 8]
    assert list(config.check(facts(512, 512))) == []
    assert judge(config, (2, 6)).shape == (4,)


@pytest.mark.parametrize(
    ("options", "size", "more", "said"),
    [
        ({}, (256, 256), {}, ("preset", "it takes images up to 64x64; data 'pictures' gives 256x256", 'preset = "large"')),
        ({}, (4, 32), {}, ("preset", "it takes images from 8x8 on; data 'pictures' gives 4x32", "fewer mults")),
        ({"preset": "large"}, (32, 32), {}, ("preset", "it takes images from 64x64 on", 'preset = "small"')),
        ({"preset": "large"}, (1024, 1024), {}, ("preset", "it takes images up to 512x512", "more mults")),
        ({"mults": (1,) * 5, "full": 0}, (16, 16), {}, ("mults", "it takes images from 32x32 on", "fewer mults")),
        ({"mults": ()}, (16, 16), {}, ("mults", "at least one block", "mults = [2]")),
        ({"embedding": 7}, (16, 16), {}, ("embedding", "7 is odd", "embedding = 8")),
        ({}, (16, 16), {"batch": 6}, ("stddev_group", "a device sees 6 samples at once", "that 4 divides")),
    ],
)
def test_what_does_not_fit_is_said(options, size, more, said):
    complaints = list(attrs.evolve(TINY, **options).check(facts(*size, **more)))
    assert [c[0] for c in complaints] == [said[0]]
    assert said[1] in complaints[0][1]
    assert said[2] in complaints[0][2]


def test_a_small_or_divisible_batch_fits():
    for batch in (1, 3, 4, 8, 64):
        assert list(TINY.check(facts(32, 32, batch=batch))) == []
    assert list(attrs.evolve(TINY, stddev_group=3).check(facts(32, 32, batch=6))) == []
