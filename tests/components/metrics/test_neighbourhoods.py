"""Precision, recall, density, coverage and memorisation against torch-fidelity, brute force and known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentoolkit.components.features.reference import Reference
from gentoolkit.components.features.rows import Rows
from gentoolkit.components.metrics import distances
from gentoolkit.components.metrics.density_coverage import DensityCoverage
from gentoolkit.components.metrics.neighbours import Neighbours
from gentoolkit.components.metrics.precision_recall import PrecisionRecall
from gentoolkit.registry import Facts, GentoolError

POINTS = Facts(kind="points", shape=(2,), data="points")
RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(150, 3)).astype(np.float32)
FAKE = (RNG.normal(size=(120, 3)) * 0.7 + 0.3).astype(np.float32)


def built(config, real=REAL, fake=FAKE):
    metric = config.build(POINTS, {"features": Rows("coordinates")})
    metric.prepare(Reference(f"1234-{len(real)}", {"features": real}))
    for part in np.array_split(fake, 3):
        metric.add({"features": part})
    return metric


def matrix(a, b):
    return np.linalg.norm(a[:, None].astype(np.float64) - b[None].astype(np.float64), axis=-1)


def test_precision_and_recall_are_torch_fidelitys_and_those_of_the_formula():
    from torch_fidelity.metric_prc import prc_features_to_metric

    metric = built(PrecisionRecall(k=4, samples=120, real=150))
    theirs = prc_features_to_metric(torch.tensor(FAKE), torch.tensor(REAL), prc_neighborhood=4, verbose=False)
    values = metric.compute()
    assert values == {name: pytest.approx(value, rel=1e-6) for name, value in theirs.items()}
    apart = matrix(REAL, FAKE)
    precision = (apart <= np.sort(matrix(REAL, REAL), 1)[:, 4:5]).any(0).mean()
    recall = (apart <= np.sort(matrix(FAKE, FAKE), 1)[:, 4]).any(1).mean()
    assert (values["precision"], values["recall"]) == (pytest.approx(precision), pytest.approx(recall))
    assert 0.3 < recall < precision <= 1
    assert metric.protocol == "precision-recall/k-4/coordinates/points-1234-150/120"


@pytest.mark.parametrize("pairs", [2**24, 700])
def test_density_and_coverage_are_those_of_the_formula_in_blocks_of_any_size(pairs, monkeypatch):
    monkeypatch.setattr(distances, "PAIRS", pairs)
    values = built(DensityCoverage(k=4)).compute()
    within = matrix(REAL, FAKE) <= np.sort(matrix(REAL, REAL), 1)[:, 4:5]
    assert values["density"] == pytest.approx(within.sum() / (4 * 120))
    assert values["coverage"] == pytest.approx(within.any(1).mean())


def test_neighbours_are_those_of_the_formula_with_each_training_sample_left_out_in_turn(monkeypatch):
    monkeypatch.setattr(distances, "PAIRS", 700)
    metric = built(Neighbours(margin=0.8))
    values = metric.compute()
    among = matrix(REAL, REAL)
    np.fill_diagonal(among, np.inf)
    d, x, e = matrix(FAKE, REAL).min(1), matrix(FAKE, REAL).argmin(1), among.min(1)

    def left_out(i):
        rest = np.delete(np.delete(among, i, 0), i, 1)
        j = np.delete(among[i], i).argmin()
        return e[i] < 0.8 * rest[j].min()

    c, c_0 = (d < 0.8 * e[x]).mean(), np.mean([left_out(i) for i in range(len(REAL))])
    assert values["distance_ratio"] == pytest.approx(float(torch.tensor(d).median() / torch.tensor(e).median()))
    assert values["authenticity"] == pytest.approx((d > e[x]).mean())
    assert values["copied"] == pytest.approx(max(0, (c - c_0) / (1 - c_0)))
    assert 0 < c_0 < 1 and metric.protocol == "neighbours/margin-0.8/k-2/coordinates/points-1234-150/120"


@pytest.mark.parametrize("dimensions", [2, 30])
def test_other_real_data_are_no_copies_in_any_dimension_and_copies_are(dimensions):
    real, other = RNG.normal(size=(2, 1500, dimensions)).astype(np.float32)
    good = built(Neighbours(), real, other[:600]).compute()
    assert good["distance_ratio"] == pytest.approx(1, abs=0.1)
    assert good["copied"] < 0.06
    nearly = real[:600] + RNG.normal(size=(600, dimensions)).astype(np.float32) * 1e-4
    copied = built(Neighbours(), real, nearly).compute()
    assert copied["distance_ratio"] < 0.05
    assert copied["copied"] > 0.9
    assert copied["authenticity"] < 0.1
    assert built(Neighbours(), real, np.repeat(real[:1], 50, 0)).compute()["copied"] == pytest.approx(1)


def test_what_is_not_finite_is_far_from_everything():
    fake = np.concatenate([FAKE, np.full((120, 3), np.nan, np.float32)])
    assert built(PrecisionRecall()).compute()["precision"] == 2 * built(PrecisionRecall(), fake=fake).compute()["precision"]
    assert built(DensityCoverage()).compute()["coverage"] == built(DensityCoverage(), fake=fake).compute()["coverage"]
    assert np.isfinite(list(built(Neighbours(), fake=fake).compute().values())).all()


def test_too_few_samples_are_refused():
    assert [c[0] for c in PrecisionRecall(samples=3).check(POINTS)] == ["samples"]
    assert [c[0] for c in DensityCoverage(real=5).check(POINTS)] == ["real"]
    assert not [*PrecisionRecall().check(POINTS), *DensityCoverage().check(POINTS)]
    with pytest.raises(GentoolError, match="3 real samples are too few"):
        built(PrecisionRecall(), real=REAL[:3])
    with pytest.raises(GentoolError, match="5 samples are too few"):
        built(DensityCoverage(), fake=FAKE[:5]).compute()
