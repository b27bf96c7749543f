"""The diffusion transformer: published sizes, what it starts as, and where patches go."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import layer_norm

from gentoolkit.components.denoisers.dit import DiT
from gentoolkit.components.denoisers.dit_network import Block, positions
from gentoolkit.components.model import Condition
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward
from gentoolkit.registry import Facts
from gentoolkit.testing import tiny_facts

SMALL = {"hidden": 16, "depth": 2, "heads": 2}


def level(n):
    process = GaussianForward(VP().build(Facts(), {}).grid(4))
    return process.level(torch.arange(n) % 4 + 1)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({}, 33),
        ({"hidden": 768, "heads": 12}, 130),
        ({"hidden": 1024, "depth": 24, "heads": 16}, 458),
        ({"hidden": 1152, "depth": 28, "heads": 16}, 675),
    ],
)
def test_published_numbers_of_parameters(options, published):
    """DiT-S, B, L and XL with patches of 2, in millions (Peebles and Xie, 2023, Table 4)."""
    with torch.device("meta"):
        net = DiT(**options).build(Facts(shape=(4, 32, 32), raw_channels=8, classes=1000), {})
    assert round(sum(p.numel() for p in net.parameters()) / 1e6) == published


def test_it_starts_at_zero_with_blocks_that_change_nothing():
    net = DiT(**SMALL).build(Facts(shape=(3, 4, 8), raw_channels=6), {})
    out = net(numbers(2, 3, 4, 8), level(2), Condition())
    assert out.shape == (2, 6, 4, 8)
    assert bool((out == 0).all())
    x = numbers(2, 8, 16)
    assert torch.equal(net.blocks[0](x, numbers(2, 1, 16, seed=1)), x)


def test_a_block_by_hand():
    block, x, e = Block(8, 2, 2.0), numbers(2, 5, 8), numbers(2, 1, 8, seed=1)
    with torch.no_grad():
        for i, p in enumerate(block.parameters()):
            p.copy_(0.3 * numbers(*p.shape, seed=i))
    six = (e @ block.modulate.weight.T + block.modulate.bias).split(8, dim=2)
    inside = layer_norm(x, (8,), eps=1e-6) * (1 + six[1]) + six[0]
    q, k, v = (inside @ block.attention.qkv.weight.T + block.attention.qkv.bias).split(8, dim=2)
    heads = []
    for c in (slice(0, 4), slice(4, 8)):
        heads.append(torch.softmax(q[..., c] @ k[..., c].transpose(1, 2) / 2, dim=2) @ v[..., c])
    y = x + six[2] * block.attention.proj(torch.cat(heads, dim=2))
    inside = layer_norm(y, (8,), eps=1e-6) * (1 + six[4]) + six[3]
    h = torch.nn.functional.gelu(block.mlp.fc1(inside), approximate="tanh")
    assert h.shape == (2, 5, 16)
    assert torch.allclose(block(x, e), y + six[5] * block.mlp.fc2(h), rtol=1e-5, atol=1e-6)


def test_patches_go_back_to_where_they_came_from():
    """With blocks that change nothing, a patch of the output is a function of that patch of the input; non-square images."""
    net = DiT(**SMALL).build(Facts(shape=(2, 4, 6), raw_channels=2), {})
    with torch.no_grad():
        net.out.weight.copy_(numbers(*net.out.weight.shape))
    x_t = numbers(1, 2, 4, 6)
    before = net(x_t, level(1), Condition())
    for row in range(2):
        for column in range(3):
            patch = (..., slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
            changed = x_t.clone()
            changed[patch] += 1
            moved = net(changed, level(1), Condition()) != before
            inside = torch.zeros_like(moved)
            inside[patch] = True
            assert bool(moved[patch].all())
            assert not bool((moved & ~inside).any())


def test_every_patch_has_a_position_of_its_own():
    found = positions(3, 5, 16, torch.zeros((), dtype=torch.float64))
    assert found.shape == (15, 16)
    assert float((torch.cdist(found, found) + torch.eye(15)).min()) > 0.1
    # Rows come first, then columns: patches of a row share their first half, of a column their second.
    assert torch.equal(found[0:5, :8], found[:1, :8].expand(5, 8))
    assert torch.equal(found[0::5, 8:], found[:1, 8:].expand(3, 8))
    frequencies = 10_000 ** -(torch.arange(4, dtype=torch.float64) / 3)
    assert torch.allclose(found[7, :8], torch.cat([frequencies.sin(), frequencies.cos()]))


@pytest.mark.parametrize(
    ("options", "option", "said"),
    [
        ({"patch": 4}, "patch", "patches of 4x4 do not tile the images of data 'tiny', 8x6"),
        ({"hidden": 390}, "hidden", "390 is no multiple of 4"),
        ({"heads": 7}, "heads", "a width of 384 cannot be parted into 7 heads"),
        ({"mlp_ratio": 1e-3}, "mlp_ratio", "without a unit"),
    ],
)
def test_what_does_not_fit_is_said(options, option, said):
    facts = tiny_facts("image", (1, 8, 6))
    (complaint,) = DiT(**options).check(facts)
    assert complaint[0] == option
    assert said in complaint[1]
    assert not list(DiT().check(facts))
    assert complaint[2:] in {("patch = 2",), ("hidden = 392",), ("a divisor of 384",), ()}


def test_it_can_leave_the_grid_unless_it_takes_steps():
    assert [DiT(time_input=name).any_time() for name in ("step", "time", "log_snr")] == [False, True, True]
