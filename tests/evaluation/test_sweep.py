"""A grid of settings and seeds: every point is what `evaluate` gives alone, and protocols are never mixed."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

import gentoolkit
from gentoolkit.engine.samples.results import Result, recorded, spread
from gentoolkit.evaluation.sweep import grid
from gentoolkit.registry import GentoolError

from ..engine import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "run"
    table: dict[str, Any] = tiny.recipe("ddpm", folder, steps=1)
    table["metrics"] = {"fd": {"use": "fd", "samples": 30}, "mixture": {"use": "mixture", "samples": 40}}
    gentoolkit.train(table, quiet=True)
    return folder


def test_points_are_those_of_evaluate_with_their_evaluations_counted(run: Path) -> None:
    points = gentoolkit.sweep(run, ["sampler.steps=1,2,4", "sampler=ddim,ancestral"], ["fd"], seeds=(0, 1))
    assert [p.overrides for p in points] == [
        (f"sampler.steps={n}", f"sampler={s}") for n in (1, 2, 4) for s in ("ddim", "ancestral")
    ]
    assert [r.evaluations for p in points for r in p.results] == [1] * 4 + [2] * 4 + [4] * 4
    assert [r.how for r in points[2].results] == ["ema/ddim-2"] * 2
    alone = gentoolkit.evaluate(gentoolkit.load(run, overrides=points[2].overrides), ["fd"], seed=1)
    assert points[2].results[1] == alone[0]
    lines = recorded(run / "results.jsonl")
    assert lines == [*(r for p in points for r in p.results), *alone], "each seed is a line"
    ((key, values),) = points[2].summary().items()
    numbers = [r.values["fd"] for r in points[2].results]
    assert key == ("fd", points[2].results[0].measure)
    assert values["fd"].mean == pytest.approx(statistics.mean(numbers))
    assert values["fd"].deviation == pytest.approx(abs(numbers[0] - numbers[1]) / 2**0.5)
    assert values["fd"].n == 2 and " ± " in str(values["fd"])


def test_nothing_is_measured_where_one_point_does_not_fit(run: Path) -> None:
    before = (run / "results.jsonl").stat().st_size if (run / "results.jsonl").exists() else 0
    with pytest.raises(GentoolError, match="5 steps on a grid of 4"):
        gentoolkit.sweep(run, ["sampler.steps=1,5"], ["fd"])
    with pytest.raises(GentoolError, match="KEY=VALUE"):
        gentoolkit.sweep(run, ["sampler.steps"])
    with pytest.raises(GentoolError):
        gentoolkit.sweep(run, ["training.steps=1,2"])
    after = (run / "results.jsonl").stat().st_size if (run / "results.jsonl").exists() else 0
    assert after == before


def test_numbers_of_different_protocols_have_no_mean() -> None:
    def result(**other: Any) -> Result:
        return Result(
            **{"metric": "fd", "values": {"fd": 1.0}, "protocol": "fd/x/9/ema/a-4", "step": 3, "weights": "ema", "seed": 0}
            | other
        )

    assert spread([result(), result(values={"fd": 4.0})])["fd"].mean == 4, "the newest of a seed"
    for other in ({"protocol": "fd/x/10/ema/a-4"}, {"protocol": "fd/x/9/ema/a-2"}, {"step": 4}, {"metric": "kid"}):
        with pytest.raises(GentoolError, match="different protocols"):
            spread([result(), result(seed=1, **other)])


def test_a_grid_without_axes_is_one_point() -> None:
    assert grid([]) == [()]
    assert grid(["a=1, 2"]) == [("a=1",), ("a=2",)]
