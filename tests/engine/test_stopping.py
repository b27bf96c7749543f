"""What asks a run to stop, and that it is obeyed at a committed step, also in the middle of drawing samples."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentoolkit
from gentoolkit.engine.processes.stopping import Stop, Stopped, seconds
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples import sampling
from gentoolkit.engine.samples.sample_files import write_samples
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny

ALONE = World(0, 1, torch.device("cpu"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h30m", 9000),
        ("90m", 5400),
        ("3600", 3600),
        ("45s", 45),
        ("1d2h", 93600),
        ("1h2", 3602),
        ("1-00:00:00", 86400),
        ("2-12", 216000),
        ("12:00:00", 43200),
        ("30:00", 1800),
    ],
)
def test_time_spans(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0", "soon", "-5", "1:2:3:4", "2h-3m", "5:7"])
def test_what_is_no_time_span_is_said(text: str) -> None:
    with pytest.raises(GentoolError, match="is no time span; write 2h30m"):
        seconds(text)


def test_a_stop_file_is_obeyed_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "STOP").touch()
    outcome = train(tiny.recipe("ddpm", run), quiet=True)
    assert (outcome.code, outcome.why, outcome.step) == (75, "the file STOP was there", 1)
    assert tiny.state(run)[0] == 1
    assert not (run / "STOP").exists()
    train(tiny.recipe("ddpm", run, steps=5), quiet=True, allow_change=True)
    (run / "STOP").touch()
    assert train(tiny.recipe("ddpm", run), quiet=True, allow_change=True).code == 0, "the last step leaves nothing to stop"
    assert not (run / "STOP").exists(), "it would stop a run that is trained further"
    train(tiny.recipe("ddpm", tmp_path / "straight"), quiet=True)
    assert tiny.identical(tiny.state(run)[1], tiny.state(tmp_path / "straight")[1])


def test_the_file_is_not_looked_for_at_every_step(tmp_path: Path) -> None:
    stop = Stop(ALONE, file=tmp_path / "STOP")
    assert not stop.agreed()
    (tmp_path / "STOP").touch()
    assert not stop.agreed(), "it was looked for within the second"
    until = time.monotonic() + 20
    while not stop.agreed() and time.monotonic() < until:
        time.sleep(0.05)
    assert stop.agreed_on == {"file": 1}


def test_a_time_that_is_over_stops_with_a_commit(tmp_path: Path) -> None:
    outcome = train(tiny.recipe("ddpm", tmp_path / "run", steps=100_000), quiet=True, until=time.monotonic() + 0.3)
    assert (outcome.code, outcome.why) == (75, "its time is over")
    assert tiny.state(tmp_path / "run")[0] == outcome.step < 100_000


def interrupted_in(state: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have this process told to stop while the given state of the next chunk is computed; lists the states that were."""
    honest, seen = sampling.states, []

    def states(*arguments: Any) -> Iterator[Any]:
        for number, value in enumerate(honest(*arguments)):
            seen.append(number)
            if len(seen) == state:
                os.kill(os.getpid(), signal.SIGUSR1)
            yield value

    monkeypatch.setattr(sampling, "states", states)
    return seen


def test_a_signal_in_the_middle_of_a_sample_grid_is_obeyed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tiny.recipe("ddpm", tmp_path / "run", steps=100_000, checkpoint_every=100_000)
    table["process"] = {"steps": 50}
    table["observers"] = {"grid": {"use": "sample-grid", "every": 2, "samples": 8}}
    seen = interrupted_in(3, monkeypatch)
    outcome = train(table, quiet=True)
    assert (outcome.code, outcome.why) == (75, "SIGUSR1")
    assert len(seen) == 3
    assert tiny.state(tmp_path / "run")[0] == outcome.step <= 3
    assert not list((tmp_path / "run" / "samples").glob("*.png"))


def test_sampling_and_evaluation_are_left_between_two_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tiny.recipe("ddpm", tmp_path / "run", steps=2)
    table["process"] = {"steps": 50}
    table["metrics"] = {"mixture": {"use": "mixture", "samples": 32}}
    train(table, quiet=True)
    run = gentoolkit.load(tmp_path / "run")
    whole = run.sample(32)
    seen = interrupted_in(60, monkeypatch)
    assert not write_samples(run, 32, tmp_path / "x.npz")
    assert len(seen) == 60
    assert len(list((tmp_path / "x.npz.part").glob("*.npy"))) == 1
    assert write_samples(run, 32, tmp_path / "x.npz")
    assert np.array_equal(np.load(tmp_path / "x.npz")["samples"], whole.numpy())

    monkeypatch.undo()
    interrupted_in(60, monkeypatch)
    with pytest.raises(Stopped, match="nothing was recorded") as caught:
        gentoolkit.evaluate(run)
    assert caught.value.exit_code == 75
    assert (tmp_path / "run" / "results.jsonl").read_text() == ""
