"""Sets that need no files: 25 Gaussians, digits, stacked digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gentoolkit.components.data.digits import Digits, StackedDigits
from gentoolkit.components.data.drawn import uniform, words
from gentoolkit.components.data.gaussians25 import MEANS, STD, Gaussians25
from gentoolkit.registry import Facts

FACTS = Facts()


def points(**options):
    made = Gaussians25(**options).build(FACTS, {})
    return torch.stack([made[i]["x_0"] for i in range(len(made))])


def test_gaussians_have_the_papers_means_std_and_scale():
    assert len(MEANS) == 25
    assert MEANS[0] == (-4 / 2.828, -4 / 2.828)
    assert MEANS[12] == (0, 0)
    x = points(size=20_000).double()
    distance, mode = torch.cdist(x, torch.tensor(MEANS, dtype=torch.float64)).min(1)
    noise = (x - torch.tensor(MEANS, dtype=torch.float64)[mode]) / STD
    assert noise.mean(0).abs().max() < 0.03
    assert (noise.std(0) - 1).abs().max() < 0.02
    assert abs(float((noise[:, 0] * noise[:, 1]).mean())) < 0.03
    assert (distance <= 4 * STD).double().mean() == pytest.approx(1 - np.exp(-8), abs=5e-4)
    counts = torch.bincount(mode, minlength=25)
    assert (counts - 800).abs().max() < 5 * np.sqrt(800)
    assert x.var(0).mean() == pytest.approx(8 / 2.828**2, rel=0.02)


def test_point_i_is_a_function_of_seed_and_i():
    few, many, other = points(size=10), points(size=1000), points(size=10, seed=1)
    assert few.dtype == torch.float32
    assert torch.equal(few, many[:10])
    assert not torch.isclose(few, other).any()


def test_words_of_item_i_are_philox_block_i():
    alone = np.random.Philox(key=7, counter=[41, 0, 0, 0]).random_raw(4)
    assert np.array_equal(words(7, 50)[41], alone)
    u = uniform(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert u[0] == 0
    assert 0.9999999 < u[1] < 1


def test_gaussians_say_what_they_are():
    spec = Gaussians25().spec()
    assert (spec.kind, spec.shape, spec.bounded, spec.labels) == ("points", (2,), False, None)
    assert sum(spec.mixture["weights"]) == pytest.approx(1)
    facts = FACTS.with_(Gaussians25().offer(FACTS))
    assert facts.kind == "points"
    assert facts.mixture["std"] == STD


def test_digits_are_scikit_learns_scans_as_bytes():
    digits = Digits().build(FACTS, {})
    raw = load_digits()
    assert len(digits) == 1797
    item = digits[17]
    assert item["x_0"].dtype == torch.uint8
    assert item["x_0"].shape == Digits().spec().shape
    assert np.array_equal(item["x_0"][0].numpy(), np.rint(raw.images[17] * 255 / 16))
    assert item["y"] == raw.target[17]
    assert np.array_equal(digits.labels(), raw.target)
    assert sorted({int(v) for v in digits[0]["x_0"].unique()})[-1] in {np.rint(k * 255 / 16) for k in range(17)}


def test_stacked_digits_are_triples_of_digits_with_the_combined_label():
    digits = Digits().build(FACTS, {})
    known = {(tuple(digits[i]["x_0"].flatten().tolist()), digits[i]["y"]) for i in range(len(digits))}
    stacked = StackedDigits(size=300).build(FACTS, {})
    for i in range(0, 300, 29):
        item = stacked[i]
        y = item["y"]
        for channel, digit in zip(item["x_0"], (y // 100, y // 10 % 10, y % 10), strict=True):
            assert (tuple(channel.flatten().tolist()), digit) in known
    assert [stacked[i]["y"] for i in range(300)] == stacked.labels().tolist()


@pytest.mark.parametrize("data", [Gaussians25(size=40), Digits(), StackedDigits(size=40)])
def test_many_items_at_once_are_the_items(data):
    made = data.build(FACTS, {})
    indices = np.array([3, 0, 17, 3])
    many = made.items(indices)
    for row, i in enumerate(indices.tolist()):
        assert all(torch.equal(torch.as_tensor(many[name][row]), torch.as_tensor(v)) for name, v in made[i].items())
    assert set(many) == set(made[0])


def test_labels_are_counted():
    assert Digits().build(FACTS, {}).label_counts().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    counts = StackedDigits(size=40).build(FACTS, {}).label_counts()
    assert len(counts) == 1000
    assert counts.sum() == 40


def test_triple_i_is_a_function_of_seed_and_i():
    few, many = StackedDigits(size=20).build(FACTS, {}), StackedDigits(size=500).build(FACTS, {})
    assert all(torch.equal(few[i]["x_0"], many[i]["x_0"]) for i in range(20))
    other = StackedDigits(size=20, seed=1).build(FACTS, {})
    assert few.labels().tolist() != other.labels().tolist()
    assert len(set(StackedDigits().build(FACTS, {}).labels().tolist())) == 1000


def test_fingerprints_tell_sets_apart_and_are_stable():
    sets = [
        Gaussians25(size=50),
        Gaussians25(size=50, seed=1),
        Digits(),
        StackedDigits(size=50),
        StackedDigits(size=50, seed=1),
    ]
    prints = [s.build(FACTS, {}).fingerprint() for s in sets]
    assert len(set(prints)) == len(sets)
    assert all(len(p) == 64 for p in prints)
    assert prints == [s.build(FACTS, {}).fingerprint() for s in sets]
