"""Who looks at a chunk, what is written down of it, and what each metric gets."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from gentoolkit.components.data.digits import Digits
from gentoolkit.components.features.pixels import Pixels
from gentoolkit.components.features.reference import Reference, moments
from gentoolkit.engine.samples.measuring import Panel, as_features_take_them, prepare, reference_of
from gentoolkit.engine.samples.results import Result
from gentoolkit.registry import Facts

FACTS = Facts(kind="image", shape=(1, 8, 8), data="digits")


class Counting:
    """`pixels`, that counts how often it looks."""

    def __init__(self) -> None:
        self.inner, self.calls = Pixels().build(FACTS, {}), 0
        self.key = self.inner.key

    def __call__(self, samples: torch.Tensor) -> dict[str, Any]:
        self.calls += 1
        return self.inner(samples)


class Mean:
    """A metric over features: their mean, and that of the real ones."""

    protocol = "mean"

    def __init__(self, features: Counting, reference: int | None) -> None:
        self.features, self.reference, self.rows = features, reference, []

    def prepare(self, reference: Reference) -> None:
        self.real = reference

    def add(self, found: dict[str, Any]) -> None:
        self.rows.append(found["features"])

    def compute(self) -> dict[str, float]:
        return {"n": sum(map(len, self.rows)), "mean": float(np.concatenate(self.rows).mean())}


class Seen:
    """A metric over samples."""

    protocol = "seen"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def see(self, samples: torch.Tensor) -> dict[str, Any]:
        return {"n": np.array(len(samples))}

    def add(self, seen: dict[str, Any]) -> None:
        self.seen.append(int(seen["n"]))

    def compute(self) -> dict[str, float]:
        return {"n": sum(self.seen)}


class Alone:
    first = True


def test_features_are_taken_once_and_each_metric_gets_as_many_as_it_wants() -> None:
    features = Counting()
    panel = Panel(
        {"a": Mean(features, 0), "b": Mean(features, 0), "c": Seen()},
        {"a": 25, "b": 12, "c": 7},
    )
    samples = torch.linspace(-1, 1, 30 * 64).reshape(30, 1, 8, 8)
    for first in (0, 10, 20):
        record = panel.see(samples[first : first + 10], first)
        assert set(record) == ({"pixels", "c"} if first < 7 else {"pixels"})
        panel.add(record, first)
    assert features.calls == 3
    found = panel.compute()
    assert (found["a"]["n"], found["b"]["n"], found["c"]["n"]) == (25, 12, 7)
    bytes_ = as_features_take_them(samples)
    assert found["b"]["mean"] == pytest.approx(float(bytes_[:12].double().mean()) / 255, rel=1e-6)


def test_images_are_rounded_as_files_hold_them_and_points_left_alone() -> None:
    x = torch.tensor([-1.0, 1.0, 0.0, 2.0, -3.0, float("nan"), float("inf"), -0.999]).reshape(1, 1, 2, 4)
    assert as_features_take_them(x).flatten().tolist() == [0, 255, 128, 255, 0, 128, 128, 0]
    points = torch.tensor([[3.0, float("nan")]])
    assert as_features_take_them(points) is points


def test_the_reference_is_taken_once_for_all_that_want_the_same() -> None:
    features, real = Counting(), Digits().build(FACTS, {})
    a, b, c = Mean(features, 40), Mean(features, 40), Mean(features, None)
    prepare({"a": a, "b": b, "c": c}, real, Alone())  # type: ignore[arg-type]
    assert a.real is b.real
    assert features.calls == 1 + -(-len(real) // 256)
    assert len(a.real["features"]) == 40 and len(c.real["features"]) == len(real)
    assert a.real.key == f"{real.fingerprint()[:8]}-40"
    rows = c.real["features"]
    assert np.array_equal(rows[7], real[7]["x_0"].numpy().reshape(-1) / np.float32(255))
    assert all((row == rows).all(1).any() for row in a.real["features"]), "they are among the real ones"
    assert not np.array_equal(a.real["features"], rows[:40]), "in a random order"
    assert np.array_equal(reference_of(real, features, 40)["features"], a.real["features"]), "always the same"
    assert copy.deepcopy(a, {id(features): features}).real is a.real


def test_moments_are_those_of_numpy() -> None:
    rows = np.random.default_rng(0).normal(3, 2, (5000, 5)).astype(np.float32)
    mean, covariance = moments(rows)
    assert np.allclose(mean, rows.astype(float).mean(0), rtol=1e-12)
    assert np.allclose(covariance, np.cov(rows.astype(float).T), rtol=1e-10)
    assert np.isfinite(moments(rows[:1])[1]).all()


@pytest.mark.parametrize(
    ("protocol", "weights", "measure", "how"),
    [
        ("fd/pixels/100/ema/ancestral-4", "ema", "fd/pixels/100", "ema/ancestral-4"),
        ("fd/ema/100/ema/ddim-4/eta-0.5", "ema", "fd/ema/100", "ema/ddim-4/eta-0.5"),
        ("fd/pixels/100", "raw", "fd/pixels/100", ""),
    ],
)
def test_a_protocol_says_how_was_measured_and_how_was_drawn(protocol: str, weights: str, measure: str, how: str) -> None:
    result = Result("fd", {}, protocol, 0, weights, 0)
    assert (result.measure, result.how) == (measure, how)
