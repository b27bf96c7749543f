"""An evaluation that is killed and started again gives the numbers of one that is not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import gentoolkit
from gentoolkit.components.features.rows import Rows
from gentoolkit.engine.samples.kept import Kept
from gentoolkit.engine.samples.results import Result, recorded
from gentoolkit.evaluation.evaluate import EVALUATING

SHORT = ("fd", "few", "modes")
TINY = {"use": "mlp", "width": 8, "depth": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits by a tiny network that has hardly learned anything, with metrics over samples and features."""
    folder = tmp_path_factory.mktemp("restarts") / "run"
    pixels = {"features": "pixels", "samples": 90}
    gentoolkit.train(
        {
            "data": "digits",
            "model": {"denoiser": TINY, "condition": "class"},
            "method": "ddpm",
            "process": {"steps": 2},
            "sampler": {"use": "ancestral", "batch": 10},
            "training": {"steps": 1, "batch_size": 8},
            "metrics": {
                "fd": {"use": "fd", **pixels},
                "few": {"use": "fd", **pixels, "samples": 45},
                "modes": {"use": "modes", "samples": 100, "train": 300},
                "long": {"use": "fd", **pixels, "samples": 3000},
            },
            "observers": {},
            "run": {"name": "restarts", "folder": str(folder)},
        },
        quiet=True,
    )
    return folder


@pytest.fixture(scope="module")
def undisturbed(run: Path) -> list[Result]:
    return gentoolkit.evaluate(run, SHORT)


def test_every_chunk_is_seen_once_however_often_it_is_interrupted(
    run: Path, undisturbed: list[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write, take = Kept.write, Rows.__call__

    def stumble(self: Kept, number: int, record: Any) -> None:
        if len(written) in (1, 4, 9) and calls.count(number) < 2:
            calls.append(number)
            raise KeyboardInterrupt
        write(self, number, record)
        written.append(number)

    calls: list[int] = []
    monkeypatch.setattr(Kept, "write", stumble)
    looked: list[int] = []
    monkeypatch.setattr(Rows, "__call__", lambda self, x: (looked.append(len(x)), take(self, x))[1])
    while True:
        try:
            found = gentoolkit.evaluate(run, SHORT)
            break
        except KeyboardInterrupt:
            assert list((run / EVALUATING).glob("*/*.npz")), "what was seen is kept"
    assert calls == [1, 1, 4, 4, 9, 9], "chunks at which it was interrupted"
    assert written == list(range(10)), "and no chunk was drawn for its file twice"
    assert max(looked) == 10 and len(looked) == 9 + 4, "one look for both distances, and again where it was lost"
    assert found == undisturbed
    assert not (run / EVALUATING).exists()
    assert undisturbed[0].values != undisturbed[1].values


def test_a_damaged_file_is_made_again_and_another_seed_uses_none_of_it(run: Path, undisturbed: list[Result]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        write = Kept.write

        def sixth(self: Kept, number: int, record: Any) -> None:
            if number == 6:
                raise KeyboardInterrupt
            write(self, number, record)

        patch.setattr(Kept, "write", sixth)
        with pytest.raises(KeyboardInterrupt):
            gentoolkit.evaluate(run, SHORT)
    files = sorted((run / EVALUATING).glob("*/*.npz"))
    assert len(files) == 6
    files[2].write_bytes(files[2].read_bytes()[:-100])
    other = gentoolkit.evaluate(run, SHORT, seed=1)
    assert [r.values for r in other] != [r.values for r in undisturbed]
    assert len(list((run / EVALUATING).glob("*/*.npz"))) == 6, "the work of seed 0 waits"
    assert gentoolkit.evaluate(run, SHORT) == undisturbed


def test_two_processes_that_are_killed_lose_nothing(run: Path) -> None:
    command = [sys.executable, "-c", "from gentoolkit.cli import main; main()", "evaluate", str(run), "--nproc", "2"]
    command += ["--metric", "long", "--metric", "modes"]
    before = len(recorded(run / "results.jsonl"))
    chance, ends = random.Random(0), time.monotonic() + 200
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    chunks = 1 + chance.randrange(100)
    while len(list((run / EVALUATING).glob("*/*.npz"))) < chunks:
        assert process.poll() is None and time.monotonic() < ends
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = {path.name for path in (run / EVALUATING).glob("*/*.npz")}
    assert chunks <= len(there) < 300 and len(recorded(run / "results.jsonl")) == before

    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found = recorded(run / "results.jsonl")[before:]
    assert not (run / EVALUATING).exists()
    assert sorted(found, key=lambda r: r.metric) == sorted(gentoolkit.evaluate(run, ["long", "modes"]), key=lambda r: r.metric)
