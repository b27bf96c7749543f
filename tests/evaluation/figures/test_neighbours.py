"""The nearest are found block by block, and a training image's nearest is itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gentoolkit.evaluation.figures import opened
from gentoolkit.evaluation.figures.neighbours import nearest, neighbours
from gentoolkit.registry import GentoolError


def test_the_nearest_of_a_training_image_is_itself(digits, monkeypatch):
    source = opened.data_of(digits)
    x = opened.read(source, np.array([5, 1700, 3]))[0]
    indices, distances = nearest(x, opened.blocks(source), 3)
    assert indices[:, 0].tolist() == [5, 1700, 3]
    assert distances[:, 0].tolist() == [0, 0, 0]
    assert (distances[:, 1] > 0).all()


@pytest.mark.parametrize("block", [1, 7, 400, 4096])
def test_blocks_change_nothing(digits, monkeypatch, block):
    samples = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    source = opened.data_of(digits)
    every = opened.read(source, np.arange(300))[0]
    apart = (samples.double().flatten(1)[:, None] - every.double().flatten(1)).norm(dim=-1)
    pieces = ((i, every[i : i + block]) for i in range(0, 300, block))
    indices, distances = nearest(samples, pieces, 5)
    assert torch.equal(indices, apart.argsort(1)[:, :5])
    assert torch.allclose(distances, apart.sort(1)[0][:, :5], rtol=1e-12)


def test_ties_what_is_not_finite_and_features():
    real = torch.tensor([[1.0, 0.0], [1.0, 9.0], [math.nan, 0.0], [-1.0, 0.0]])
    samples = torch.tensor([[0.0, 0.0], [math.nan, 0.0]])
    indices, distances = nearest(samples, iter([(0, real[:2]), (2, real[2:])]), 3)
    assert indices.tolist() == [[0, 3, 1], [0, 1, 2]]
    assert distances[0, :2].tolist() == [1, 1]
    assert distances[1].tolist() == [math.inf] * 3
    indices, distances = nearest(samples[:1], iter([(0, real)]), 3, lambda x: x[:, :1])
    assert (indices.tolist(), distances.tolist()) == ([[0, 1, 3]], [[1, 1, 1]])


def test_those_of_a_run_are_of_its_samples_and_its_data(digits, points):
    found = neighbours(digits, 6, seed=1, y=[3, 1, 4, 1, 5, 9], k=4)
    assert torch.equal(found.samples, digits.sample(6, 1, y=[3, 1, 4, 1, 5, 9]))
    source = opened.data_of(digits)
    real = opened.read(source, found.indices.flatten().numpy())[0].view(6, 4, 1, 8, 8)
    assert torch.equal(found.nearest, real)
    apart = (found.samples[:, None] - real).double().flatten(2).norm(dim=2)
    assert torch.allclose(found.distances, apart, rtol=1e-6)
    assert (found.distances.diff(dim=1) >= 0).all()
    picture = np.asarray(found.picture())
    assert picture.shape[0] == 2 * 16 + 6 * 50 + 2
    inner = picture[34 : 34 + 48, -(5 * 50) : -(5 * 50) + 48][::6, ::6, 0]
    assert np.abs(inner - (found.samples[0, 0].clamp(-1, 1).numpy() + 1) * 127.5).max() <= 0.5
    assert neighbours(points, 3, k=2).indices.shape == (3, 2)
    with pytest.raises(GentoolError, match="shown of images"):
        neighbours(points, 3, k=2).picture()
    with pytest.raises(GentoolError, match="50 items, fewer than 51"):
        neighbours(points, 3, k=51)


def test_items_that_come_one_by_one_are_the_same(digits):
    class OneByOne:
        def __init__(self, source):
            self.source = source

        def __len__(self):
            return len(self.source)

        def __getitem__(self, i):
            return self.source[i]

    source = opened.data_of(digits)
    for a, b in zip(opened.read(source, np.array([4, 2])), opened.read(OneByOne(source), np.array([4, 2])), strict=True):
        assert torch.equal(a, b)
    assert sum(len(x) for _, x in opened.blocks(OneByOne(source))) == 1797


def test_real_samples_of_fewer_are_the_first_of_more():
    more = opened.first_different(3, 40, 50).tolist()
    assert len(set(more)) == 40
    assert opened.first_different(3, 7, 50).tolist() == more[:7]
    assert sorted(opened.first_different(3, 50, 50)) == list(range(50))
    assert opened.first_different(4, 7, 50).tolist() != more[:7]
