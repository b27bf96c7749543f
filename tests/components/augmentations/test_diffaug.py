"""Colour, translation, cutout: each against its formula, with the draw read off the same keys."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.augmentations.diffaug import DiffAug
from gentoolkit.diffusion import Draw
from gentoolkit.testing import tiny_facts

B = 64
FACTS = tiny_facts("image", (3, 8, 12))


def draw():
    return Draw(("augment",), 0, B, dtype=torch.float64)


def images():
    return torch.rand(B, 3, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def changed(x, **options):
    return DiffAug(**{"colour": False, "translation": 0.0, "cutout": 0.0, **options}).build(FACTS, {})(x, draw())


def test_colour_by_its_formulas():
    x, rng = images(), draw()
    b, s, c = (rng.uniform(n).view(B, 1, 1, 1) for n in ("brightness", "saturation", "contrast"))
    y = x + b - 0.5
    grey = y.mean(1, keepdim=True)
    y = grey + 2 * s * (y - grey)
    level = y.mean((1, 2, 3), keepdim=True)
    y = level + (0.5 + c) * (y - level)
    assert torch.allclose(changed(x, colour=True), y, rtol=1e-12)


def test_translation_moves_by_whole_pixels_within_reach_and_zeros_come_in():
    x = images()
    y, rng = changed(x, translation=0.25), draw()
    down, right = rng.integers("down", -2, 2), rng.integers("right", -3, 3)
    seen = set()
    for i in range(B):
        a, b = int(down[i]), int(right[i])
        expected = torch.zeros_like(x[i])
        for r in range(8):
            for q in range(12):
                if 0 <= r - a < 8 and 0 <= q - b < 12:
                    expected[:, r, q] = x[i, :, r - a, q - b]
        assert torch.equal(y[i], expected)
        seen.add((a, b))
    assert len(seen) > 20
    assert {a for a, _ in seen} == {-2, -1, 0, 1, 2}


def test_cutout_is_a_square_of_half_the_side_that_may_hang_over_the_edge():
    x = torch.ones(B, 3, 8, 12, dtype=torch.float64)
    y = changed(x, cutout=0.5)
    areas = set()
    for picture in y[:, 0]:
        zeros = picture == 0
        rows, columns = int(zeros.any(1).sum()), int(zeros.any(0).sum())
        assert int(zeros.sum()) == rows * columns
        assert 2 <= rows <= 4
        assert 3 <= columns <= 6
        areas.add(rows * columns)
    assert max(areas) == 24
    assert len(areas) > 4
    assert torch.equal(y[:, 0], y[:, 2])


def test_each_of_a_pair_keeps_its_own_mean_of_colours():
    """The other half of the stack does not leak in."""
    one, two = images(), images().flip(0) * 0.1
    both = changed(torch.cat([one, two], dim=1), colour=True)
    assert torch.allclose(both[:, :3], changed(one, colour=True), rtol=1e-12)
    assert torch.allclose(both[:, 3:], changed(two, colour=True), rtol=1e-12)


def test_the_gradient_of_a_shift_is_the_shift_back():
    x = images().requires_grad_()
    y = changed(x, translation=0.25)
    (y * images()).sum().backward()
    inside = changed(torch.ones_like(x), translation=0.25).sum()
    assert int((x.grad != 0).sum()) == int(inside)


def test_pictures_alone_and_something_must_be_left():
    (complaint,) = DiffAug().fits(tiny_facts())
    assert complaint[0] == "use"
    assert not list(DiffAug().fits(FACTS))
    assert len(list(DiffAug(colour=False, translation=0.0, cutout=0.0).check(FACTS))) == 1
    assert not list(DiffAug(colour=False, cutout=0.0).check(FACTS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_stays_also_under_autocast(dtype):
    x = images().to(dtype)
    plain = DiffAug().build(FACTS, {})(x, Draw(("augment",), 0, B, dtype=dtype))
    with torch.autocast("cpu", torch.bfloat16):
        cast = DiffAug().build(FACTS, {})(x, Draw(("augment",), 0, B, dtype=dtype))
    assert plain.dtype == cast.dtype == dtype
    assert torch.equal(plain, cast)
