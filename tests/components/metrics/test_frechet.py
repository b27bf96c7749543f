"""The Fréchet distance: closed forms, torch-fidelity's numbers, and statistics of strangers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attrs import evolve
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from gentoolkit.components.features.reference import Reference, moments
from gentoolkit.components.metrics.fid import FD, FID
from gentoolkit.components.metrics.frechet import Gaussian, frechet
from gentoolkit.components.metrics.inception_score import InceptionScore
from gentoolkit.components.metrics.kid import KID
from gentoolkit.registry import GentoolError
from gentoolkit.testing import tiny_facts

POINTS, IMAGES = tiny_facts("points", (2,)), tiny_facts("image", (3, 4, 4))


def rows(n, d=2, seed=0, scale=1.0, shift=0.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def built(config, facts=POINTS):
    return config.build(facts, {"features": config.features.build(facts, {})})


def test_closed_forms():
    a = Gaussian.of(np.array([1.0, 0.0]), np.diag([4.0, 9.0]))
    b = Gaussian.of(np.array([0.0, 2.0]), np.diag([1.0, 25.0]))
    assert frechet(a, b) == pytest.approx(1 + 4 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-12)
    assert frechet(a, a) == pytest.approx(0, abs=1e-12)
    point = Gaussian.of(np.zeros(2), np.zeros((2, 2)))
    assert frechet(a, point) == frechet(point, a) == pytest.approx(1 + 13, rel=1e-12)
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0]
    turned = [Gaussian.of(mix @ g.mean, mix @ g.factor @ g.factor.T @ mix.T) for g in (a, b)]
    assert frechet(*turned) == pytest.approx(frechet(a, b), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(40, 70), (400, 500), (500, 20)])
def test_it_is_torch_fidelitys_to_a_millionth_where_there_are_fewer_samples_than_features_too(n, m):
    d = 128
    scale = np.exp(np.random.default_rng(3).uniform(-4, 1, d)).astype(np.float32)
    x, y = (np.maximum(rows(k, d, seed=k, scale=scale) + 0.3, 0) for k in (n, m))
    theirs = fid_statistics_to_metric(*(fid_features_to_statistics(torch.from_numpy(a)) for a in (x, y)), False)
    ours = frechet(Gaussian.of(*moments(x)), Gaussian.of(*moments(y)))
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "stats.npz", **arrays)
    return str(tmp_path / "stats.npz")


def test_statistics_of_a_file_stand_in_for_the_real_data(tmp_path):
    real = rows(300, seed=1)
    mean, covariance = moments(real)
    path = saved(tmp_path, mu=mean, sigma=covariance, mu_s=np.zeros(7), sigma_s=np.eye(7))
    with_data, with_file = built(FD()), built(FD(reference=path))
    assert with_file.reference == 0 and with_data.reference is None
    with_data.prepare(Reference("abc-300", {"features": real}))
    with_file.prepare(Reference("abc-0", {}))
    for metric in (with_data, with_file):
        metric.add({"features": rows(80, scale=2)})
        metric.add({"features": rows(20, seed=5)})
    assert with_data.compute()["fd"] == pytest.approx(with_file.compute()["fd"], rel=1e-12)
    assert with_data.protocol == "fd/coordinates/100/tiny-abc-300/float32"
    assert with_file.protocol.startswith("fd/coordinates/100/npz-") and "abc" not in with_file.protocol
    assert (
        FD(reference=path).files() == (path,) and FID(reference=path).files() == (path,) and FD().files() == FID().files() == ()
    )


def test_a_batch_of_images_stands_in_for_the_real_data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)
    metric = built(FD(reference=saved(tmp_path, arr_0=images)), IMAGES)
    metric.prepare(Reference("abc-0", {}))
    flat = (images.transpose(0, 3, 1, 2).reshape(300, -1) / 255).astype(np.float32)
    metric.add({"features": flat})
    assert metric.compute()["fd"] == pytest.approx(0, abs=1e-9)
    assert "-300/uint8" in metric.protocol


REFUSED = {
    "neither": ({"other": np.ones(3)}, "neither mu and sigma nor"),
    "shapes": ({"mu": np.ones(3), "sigma": np.eye(2)}, r"mu \(3,\) and sigma \(2, 2\)"),
    "a matrix as mean": ({"mu": np.eye(2), "sigma": np.eye(2)}, "no mean and covariance"),
    "nan": ({"mu": np.array([0, np.nan]), "sigma": np.eye(2)}, "not finite"),
    "not symmetric": ({"mu": np.zeros(2), "sigma": np.array([[1.0, 0.5], [0, 1]])}, "not symmetric"),
    "negative variance": ({"mu": np.zeros(2), "sigma": np.diag([1.0, -1])}, "negative variance"),
    "objects": ({"mu": np.array([None, 1]), "sigma": np.eye(2)}, "Python objects"),
    "floats as images": ({"arr_0": np.ones((4, 4, 4, 3))}, "a batch of images is uint8"),
    "channels first": ({"arr_0": np.ones((4, 3, 8, 8), np.uint8)}, "a batch of images is uint8"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_no_statistics_are_refused(tmp_path, case):
    arrays, said = REFUSED[case]
    with pytest.raises(GentoolError, match=said):
        built(FD(reference=saved(tmp_path, **arrays))).prepare(Reference("abc-0", {}))


def test_statistics_of_other_features_are_refused(tmp_path):
    metric = built(FD(reference=saved(tmp_path, mu=np.zeros(3), sigma=np.eye(3))))
    metric.prepare(Reference("abc-0", {}))
    with pytest.raises(GentoolError, match="is of 3 features, coordinates has 2"):
        metric.add({"features": rows(10)})


def test_nothing_but_the_official_network_is_called_fid():
    assert not list(FID().check(IMAGES))
    for features in ({"use": "inception", "weights": "own.pth"}, "random", "pixels"):
        (complaint,) = FID(features=features).check(IMAGES)
        assert "official Inception network alone" in complaint[1] and "fd" in complaint[2]
    assert not list(FD(features="random").check(IMAGES))


def test_options_that_do_not_go_together_are_told():
    assert [option for option, *_ in KID(samples=100).check(IMAGES)] == ["subset_size"]
    assert [option for option, *_ in KID(samples=5000, real=50).check(IMAGES)] == ["subset_size"]
    assert [option for option, *_ in InceptionScore(samples=5).check(IMAGES)] == ["splits"]
    assert [option for option, *_ in InceptionScore(features="random").check(IMAGES)] == ["features"]
    assert [option for option, *_ in FD().check(evolve(IMAGES, shape=(3, 256, 256)))] == ["features"]
    kid = built(KID(features="pixels", samples=100, subset_size=50))
    with pytest.raises(GentoolError, match="a subset of 50 is more than the 30 real samples"):
        kid.prepare(Reference("abc-30", {"features": rows(30)}))
    assert built(KID(features="pixels", real=40)).reference == built(FD(real=40)).reference == 40
