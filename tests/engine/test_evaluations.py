"""Metrics measured while a run goes on: the numbers of `gentool evaluate`, a run that does not notice, its best checkpoint."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import gentoolkit
from gentoolkit.components.metrics.mode_counts import ModeCounts
from gentoolkit.engine.samples.results import recorded
from gentoolkit.engine.storage import checkpoints, journal
from gentoolkit.engine.train import train
from gentoolkit.recipe import RecipeError
from gentoolkit.registry import hookimpl

from . import tiny


def measured(folder: Path, **training: Any) -> dict[str, Any]:
    """A tiny run with a metric, and one that looks at the model itself."""
    table = tiny.recipe("ddgan", folder, **training)
    table["metrics"] = {"mixture": {"use": "mixture", "samples": 43}, "speed": {"use": "speed", "batches": [1]}}
    return table


def kept(folder: Path) -> list[int]:
    return sorted(c.step for c in checkpoints.committed(folder / "checkpoints"))


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Have the metric give these numbers, one after the other."""
    left = iter(values)
    monkeypatch.setattr(ModeCounts, "compute", lambda self: {"kl": next(left), "modes": 1})


def test_the_numbers_are_those_of_evaluate_and_the_run_does_not_notice(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Watcher:
        @hookimpl
        def evaluated(self, run: Any, step: int, results: Any) -> None:
            seen.append((step, [(r.metric, r.protocol, r.values) for r in results]))

    run = tmp_path / "run"
    table = measured(run, evaluate_every=4, log_every=100)
    table["observers"] = {"t": {"use": "tensorboard"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gentoolkit.components.observers.tensorboard.TensorBoard.build", lambda *_: Watcher())
        train(table, quiet=True)
    train(measured(tmp_path / "plain", log_every=100), quiet=True)
    assert tiny.identical(tiny.state(run)[1], tiny.state(tmp_path / "plain")[1])

    found = recorded(run / "results.jsonl")
    assert [(r.step, r.metric) for r in found] == [(4, "mixture"), (6, "mixture")], "the last step has one too"
    assert seen == [(r.step, [(r.metric, r.protocol, r.values)]) for r in found]
    lines = [line for line in journal.read(run / "metrics.jsonl") if "metrics" in line]
    assert [(line["step"], line["metrics"]) for line in lines] == [
        (r.step, {f"mixture/{name}": value for name, value in r.values.items()}) for r in found
    ]
    spent = [line["seconds_evaluating"] > 0 for line in journal.read(run / "metrics.jsonl") if "rate" in line]
    assert spent == [False, False, True], "after steps 2 and 4, and in the line after the measurement of step 4"
    assert gentoolkit.evaluate(run, ["mixture"]) == [found[1]]


def test_the_best_checkpoint_is_kept_and_a_resumed_run_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    options = {"evaluate_every": 3, "checkpoint_every": 2, "keep": 1, "keep_best": "mixture/kl"}
    scripted(monkeypatch, [3.0, 1.0, 2.0])
    train(measured(run, steps=9, **options), quiet=True)
    assert kept(run) == [6, 9], "of 6 it is the best, of 9 the newest"
    scripted(monkeypatch, [float("nan"), 1.0])
    train(measured(run, steps=13, **options), quiet=True)
    assert kept(run) == [6, 13], "one that is as good comes too late, and what is no number is no record"
    scripted(monkeypatch, [0.5, 7.0])
    train(measured(run, steps=17, **options), quiet=True)
    assert kept(run) == [15, 17]

    scripted(monkeypatch, [9.0])
    table = measured(run, steps=18, **options)
    table["metrics"]["mixture"]["samples"] = 44
    train(table, quiet=True)
    assert kept(run) == [18], "numbers of another protocol are not compared: the first of it is the best of it"


def test_more_is_better_where_the_metric_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter([3, 4, 2])
    monkeypatch.setattr(ModeCounts, "compute", lambda self: {"modes": next(left)})
    train(measured(tmp_path / "run", evaluate_every=2, keep=1, keep_best="mixture/modes"), quiet=True)
    assert kept(tmp_path / "run") == [4, 6]


def test_a_stop_is_obeyed_while_it_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    look = ModeCounts.see

    def see(self: ModeCounts, samples: Any) -> Any:
        seen.append(len(samples))
        os.kill(os.getpid(), signal.SIGTERM)
        return look(self, samples)

    monkeypatch.setattr(ModeCounts, "see", see)
    run = tmp_path / "run"
    outcome = train(measured(run, evaluate_every=2, steps=50), quiet=True)
    assert (outcome.code, outcome.step) == (75, 3), "after the next step, with a checkpoint"
    assert seen == [8], "one chunk of six"
    assert recorded(run / "results.jsonl") == []
    assert tiny.state(run)[0] == 3


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"keep_best": "mixture/kl"}, "without evaluate_every nothing is measured"),
        ({"evaluate_every": 2, "keep_best": "mixture/clarity"}, 'keep_best = "mixture/high_quality"'),
        ({"evaluate_every": 2, "keep_best": "speed/parameters"}, "no best checkpoint can be told by 'speed/parameters'"),
    ],
)
def test_what_cannot_be_best_is_told(tmp_path: Path, training: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        gentoolkit.check(measured(tmp_path / "run", **training))
    assert said in str(caught.value)


def test_metrics_that_look_at_no_samples_are_not_measured_while_training(tmp_path: Path) -> None:
    table = measured(tmp_path / "run", evaluate_every=2)
    del table["metrics"]["mixture"]
    with pytest.raises(RecipeError, match="no metric looks at samples"):
        gentoolkit.check(table)


def test_results_that_a_crash_cut_short_are_passed_over(tmp_path: Path) -> None:
    good = {"metric": "m", "values": {"a": 1}, "protocol": "p", "step": 3, "weights": "ema", "seed": 0, "time": "now"}
    file = tmp_path / "results.jsonl"
    file.write_text(
        "\n".join([json.dumps(good), "[]", '{"metric": 1}', json.dumps({**good, "values": 3}), json.dumps(good)[:40]])
    )
    assert [(r.metric, r.values, r.step) for r in recorded(file)] == [("m", {"a": 1.0}, 3)]
    assert recorded(tmp_path / "none") == []
