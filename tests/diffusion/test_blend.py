"""Noise between noises: normal at every place, the sources' own at the ends."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.diffusion import Blend, Draw, along


def sources(n, i=0):
    return [Draw((seed, "blend"), i, i + 1, dtype=torch.float64) for seed in range(n)]


def test_weights_go_from_station_to_station():
    found = along(3, 9)
    assert torch.allclose((found**2).sum(1), torch.ones(9, dtype=torch.float64))
    assert found[[0, 4, 8]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found[2].tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert torch.equal(along(3, 17)[::2], found)
    assert along(1, 3).tolist() == [[1], [1], [1]]


def test_the_ends_are_the_sources_also_under_a_scope():
    blend = Blend(sources(2), along(2, 5))
    found = blend.scope("t", 3).normal("z", (4, 2))
    for place, source in ((0, 0), (4, 1)):
        assert torch.equal(found[place], sources(2)[source].scope("t", 3).normal("z", (4, 2))[0])
    a, b = found[0], found[4]
    assert torch.allclose(found[2], (a + b) / 2**0.5)


def test_every_place_is_standard_normal():
    """In one dimension, where directions of two draws often agree: over many pairs, mean 0 and variance 1 at each place."""
    n = 3000
    rows = torch.stack([Blend(sources(2, i), along(2, 5)).normal("x", ()) for i in range(n)])
    assert float(rows.mean(0).abs().max()) < 4 / n**0.5
    assert float((rows.var(0) - 1).abs().max()) < 4 * (2 / n) ** 0.5


def test_what_cannot_be_between_is_the_nearest_sources():
    blend = Blend(sources(2), along(2, 4))
    ends = [Blend(sources(2), along(2, 2)).uniform("u", (3,)), Blend(sources(2), along(2, 2)).integers("k", 1, 9, (3,))]
    for found, end in zip((blend.uniform("u", (3,)), blend.integers("k", 1, 9, (3,))), ends, strict=True):
        assert torch.equal(found, end[[0, 0, 1, 1]])
    with pytest.raises(ValueError, match="drawn twice"):
        blend.uniform("u", (3,))
