"""Who looks at a chunk, what is written down of it, and what each metric gets."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentoolkit.components.data.digits import Digits
from gentoolkit.components.features.pixels import Pixels
from gentoolkit.components.features.reference import Reference, moments
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples.kept import Kept
from gentoolkit.engine.samples.measuring import Panel, as_features_take_them, prepare
from gentoolkit.engine.samples.references import arrays_in, cache, reference_of
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


ALONE = World(0, 1, torch.device("cpu"))


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


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("GENTOOL_CACHE", str(tmp_path / "cache"))
    return cache()


def test_the_reference_is_taken_once_for_all_that_want_the_same(empty: Path) -> None:
    features, real = Counting(), Digits().build(FACTS, {})
    a, b, c = Mean(features, 40), Mean(features, 40), Mean(features, None)
    prepare({"a": a, "b": b, "c": c}, real, ALONE)
    assert a.real is b.real
    assert features.calls == 1 + -(-len(real) // 256)
    assert len(a.real["features"]) == 40 and len(c.real["features"]) == len(real)
    assert a.real.key == f"{real.fingerprint()[:8]}-40"
    rows = c.real["features"]
    assert np.array_equal(rows[7], real[7]["x_0"].numpy().reshape(-1) / np.float32(255))
    assert all((row == rows).all(1).any() for row in a.real["features"]), "they are among the real ones"
    assert not np.array_equal(a.real["features"], rows[:40]), "in a random order"
    calls = features.calls
    again = reference_of(real, features, 40, ALONE)
    assert again is not None and np.array_equal(again["features"], a.real["features"]) and features.calls == calls
    assert copy.deepcopy(a, {id(features): features}).real is a.real


def test_a_reference_is_taken_up_where_it_was_left_and_made_again_where_it_is_damaged(empty: Path) -> None:
    real = Digits().build(FACTS, {})

    class Killed(Counting):
        def __call__(self, samples: torch.Tensor) -> dict[str, Any]:
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().__call__(samples)

    with pytest.raises(KeyboardInterrupt):
        reference_of(real, Killed(), None, ALONE)
    torn = sorted(empty.glob("*.part/*/*.npz"))
    assert len(torn) == 3
    torn[1].write_bytes(torn[1].read_bytes()[:500])
    features = Counting()
    found = reference_of(real, features, None, ALONE)
    assert found is not None and features.calls == 8 - 3 + 1, "the others, and the torn one"
    expected = real.items(np.arange(len(real)))["x_0"].flatten(1).numpy() / np.float32(255)
    assert np.array_equal(found["features"], expected)
    (place,) = empty.iterdir()
    assert sorted(p.name for p in place.iterdir()) == ["about.json", "features.npy"]

    rows = place / "features.npy"
    whole = rows.read_bytes()
    rows.write_bytes(whole[:-4] + b"oops")
    assert arrays_in(place, {}) is None
    features = Counting()
    mended = reference_of(real, features, None, ALONE)
    assert mended is not None and np.array_equal(mended["features"], expected) and features.calls == 8
    assert rows.read_bytes() == whole


def test_kept_records_come_back_or_not_at_all(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "work", {"a": 1})
    record = {"pixels/x:y": {"features": np.arange(6, dtype=np.float32).reshape(2, 3)}, "modes": {"n": np.array(3)}, "z": {}}
    kept.write(4, record)
    found = kept.read(4)
    assert found is not None and list(found) == list(record)
    assert np.array_equal(found["pixels/x:y"]["features"], record["pixels/x:y"]["features"]) and found["modes"]["n"] == 3
    assert kept.whole(9) == {4}
    assert Kept(tmp_path / "work", {"a": 2}).whole(9) == set(), "of other work"
    file = next(kept.folder.iterdir())
    whole = file.read_bytes()
    for bad in (b"", whole[:-30], whole[:90] + b"xx" + whole[92:], b"no zip"):
        file.write_bytes(bad)
        assert kept.read(4) is None
    for at in range(len(whole)):
        for flip in (1, 0x80, 0xFF):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
            one = kept.read(4)  # of what is not covered by a checksum, a date for instance, nothing is used
            assert one is None or repr(one) == repr(found), f"byte {at}"
    np.savez(file, **{":": np.array([{}], dtype=object), "::": np.array([])})
    assert kept.read(4) is None, "an object is not unpickled"
    kept.drop()
    assert not (tmp_path / "work").exists()


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
