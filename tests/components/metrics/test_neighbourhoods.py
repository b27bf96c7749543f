"""Precision, recall, density, coverage and copies against their formulas, and against cases that can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentoolkit.components.features.reference import Reference
from gentoolkit.components.metrics.nearest import nearest
from gentoolkit.components.metrics.neighbourhoods import density_coverage, neighbours, precision_recall


def rows(n, d, seed, shift=0.0):
    return (np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def balls(x, k):
    d = np.linalg.norm(x[:, None].astype(float) - x[None].astype(float), axis=2)
    return np.sort(d, axis=1)[:, k]


def between(a, b):
    return np.linalg.norm(a[:, None].astype(float) - b[None].astype(float), axis=2)


@pytest.mark.parametrize(("d", "shift"), [(2, 0.0), (16, 0.5), (3, 100.0)])
def test_the_formulas(d, shift, monkeypatch):
    monkeypatch.setattr("gentoolkit.components.metrics.nearest.BLOCK", 37)
    monkeypatch.setattr("gentoolkit.components.metrics.neighbourhoods.BLOCK", 37)
    made, real = rows(150, d, 0, shift), rows(200, d, 1)
    across, reference = between(made, real), Reference("r", {"features": real})
    found = precision_recall(made, reference, 3) | density_coverage(made, reference, 5)
    assert found["precision"] == pytest.approx((across <= balls(real, 3)).any(1).mean(), abs=1e-6)
    assert found["recall"] == pytest.approx((across <= balls(made, 3)[:, None]).any(0).mean(), abs=1e-6)
    within = across < balls(real, 5)
    assert found["density"] == pytest.approx(within.sum() / (5 * 150))
    assert found["coverage"] == pytest.approx(within.any(0).mean())


def test_the_same_distribution_has_density_one_and_covers_most_of_the_data():
    found = density_coverage(rows(2000, 4, 0), Reference("r", {"features": rows(2000, 4, 1)}), 5)
    assert found["density"] == pytest.approx(1, abs=0.1)
    assert found["coverage"] == pytest.approx(1 - 0.5**5, abs=0.03)  # Naeem et al., Lemma 2


def test_copies_are_seen_to_the_last_bit_far_from_the_origin():
    real = rows(500, 64, 0, shift=1000)
    d, i = nearest(real[::-1], real, 2)
    assert i[:, 0].tolist() == list(range(499, -1, -1))
    assert not d[:, 0].any() and bool((d[:, 1] > 1).all())
    apart, j = nearest(real, real, 1, apart=True)
    assert torch.equal(apart[:, 0], d.flip(0)[:, 1]) and not bool((j[:, 0] == torch.arange(500)).any())
    assert neighbours(real[:100], Reference("r", {"features": real})) == {"memorised": 1.0, "distance_ratio": 0.0}


def test_near_copies_are_memorised_and_new_samples_are_not():
    real = rows(500, 64, 0)
    reference = Reference("r", {"features": real})
    new = neighbours(rows(300, 64, 1), reference)
    assert new["memorised"] == 0 and new["distance_ratio"] == pytest.approx(1, abs=0.05)
    close = neighbours(real[:300] + 0.1 * rows(300, 64, 2), reference)
    assert close["memorised"] == 1 and close["distance_ratio"] == pytest.approx(0.1, abs=0.05)
    far = neighbours(rows(300, 64, 1) * 3, reference)
    assert far["memorised"] == 0 and far["distance_ratio"] > 2


def test_too_few_samples_give_no_number_and_no_crash():
    few = Reference("r", {"features": rows(2, 3, 0)})
    for found in (
        precision_recall(rows(9, 3, 1), few, 3),
        density_coverage(rows(9, 3, 1), few, 5),
        neighbours(rows(9, 3, 1), few),
    ):
        assert all(np.isnan(v) for v in found.values())
