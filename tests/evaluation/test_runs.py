"""`gentool runs`: every folder is a row, and numbers of different protocols share none."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

import gentoolkit
from gentoolkit.cli import main
from gentoolkit.engine.samples.results import Result, record
from gentoolkit.engine.storage import folder as folders
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError


def recipe(folder: Path, **training: Any) -> dict[str, Any]:
    return {
        "data": {"use": "gaussians25", "size": 50},
        "model": {"denoiser": {"use": "mlp", "width": 8, "depth": 1}, "parametrization": "eps-posterior"},
        "method": "ddpm",
        "training": {"steps": 4, "batch_size": 8, "checkpoint_every": 2, "log_every": 2, **training},
        "observers": {},
        "run": {"name": folder.name, "folder": str(folder)},
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs, `a` and `b`."""
    place = tmp_path_factory.mktemp("runs")
    train(recipe(place / "a"), quiet=True)
    train({**recipe(place / "b", seed=3), "process": {"steps": 2}}, quiet=True)
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


def row(place: Path, name: str) -> Any:
    return {Path(run.folder).name: run for run in gentoolkit.runs(place)}[name]


def gentool(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["gentool", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def test_a_finished_run_says_what_it_is_and_how_far(place: Path) -> None:
    run = row(place, "a")
    last = json.loads((place / "a/metrics.jsonl").read_text().splitlines()[-1])
    assert (run.name, run.state, run.reason, run.recipe) == ("a", "finished", "", "ddpm on gaussians25")
    assert (run.step, run.steps, run.rate, run.loss) == (4, 4, last["rate"], ("denoiser/simple", last["denoiser/simple"]))
    assert 0 <= run.age < 600
    assert run.size == sum(f.stat().st_size for f in (place / "a").rglob("*") if f.is_file())
    assert [one.name for one in gentoolkit.runs(place / "a")] == ["a"], "a folder that is a run itself"


def test_how_a_run_ended_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (place / "a/.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert row(place, "a").state == "running"
    assert row(place, "a").state == "finished"
    with (place / "a/.lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        Timer(0.15, looking.close).start()
        with folders.lock(place / "a"):
            assert row(place, "a").state == "running", "who only looks does not keep a run from starting"

    def ending(name: str, **training: Any) -> None:
        train(recipe(place / name, **training), quiet=True)

    monkeypatch.setattr("gentoolkit.engine.processes.stopping.Stop.asked", property(lambda self: True))
    ending("stopped")
    assert (row(place, "stopped").state, row(place, "stopped").step) == ("stopped", 1)
    monkeypatch.undo()

    def broken(*arguments: Any) -> None:
        raise RuntimeError("no more\nof it")

    monkeypatch.setattr("gentoolkit.engine.loop.Loop.log", broken)
    with pytest.raises(RuntimeError):
        ending("failed")
    assert (row(place, "failed").state, row(place, "failed").reason) == ("failed", "RuntimeError: no more")
    monkeypatch.undo()

    starts = json.loads((place / "stopped/environment.json").read_text())
    del starts[-1]["end"]  # as one that is killed leaves it
    (place / "stopped/environment.json").write_text(json.dumps(starts))
    assert row(place, "stopped").state == "failed"
    assert "without a word" in row(place, "stopped").reason
    shutil.rmtree(place / "stopped/checkpoints")
    assert row(place, "stopped").state == "never committed"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: (run / "recipe.toml").unlink(), "it has no recipe.toml"),
        (lambda run: (run / "recipe.toml").write_text("= 3"), "its recipe.toml is not valid TOML"),
        (lambda run: (run / "recipe.toml").write_text("[run]\nname = 'x'"), "KeyError"),
        (lambda run: (run / "recipe.toml").write_bytes(b"\xff\xfe"), "UnicodeDecodeError"),
        (lambda run: (run / "recipe.toml").write_text("run = 3"), "AttributeError"),
    ],
)
def test_a_broken_folder_is_a_row(place: Path, damage: Any, reason: str) -> None:
    damage(place / "b")
    assert (row(place, "b").state, row(place, "a").state) == ("broken", "finished")
    assert reason in row(place, "b").reason


def test_damaged_logs_leave_the_rest_of_the_row(place: Path) -> None:
    (place / "a/metrics.jsonl").write_bytes(b'\x00\xff{"step"\n[3]\n"rate"\n')
    (place / "a/environment.json").write_text("[]")
    (place / "b/metrics.jsonl").unlink()
    for name in ("a", "b"):
        run = row(place, name)
        assert (run.state, run.step, run.loss, run.rate) == ("finished", 4, None, None)
    (place / "notes").mkdir()
    assert len(gentoolkit.runs(place)) == 2, "a folder with nothing of a run in it is none"


def test_a_comparison_has_a_row_for_each_protocol(place: Path) -> None:
    for name, protocol, kl, step in (
        ("a", "P/10", 3.0, 4),
        ("a", "P/10", 9.0, 2),
        ("b", "P/10", 2.0, 4),
        ("b", "P/99", 1.0, 4),
    ):
        record(place / name / "results.jsonl", [Result("modes", {"kl": kl}, protocol, step, "ema", 0)])
    found = gentoolkit.compare_runs([place / "a", place / "b", place / "a"])
    assert found.recipe == {"process.steps": (4, 2, 4), "training.seed": (0, 3, 0)}
    assert found.results == {
        "P/10": {"modes/kl": (3.0, 2.0, 3.0)},  # of the latest step, not the last line
        "P/99": {"modes/kl": (None, 1.0, None)},
    }
    assert found.logged["step"] == (4, 4, 4)
    a, b, _ = found.logged["denoiser/simple"]
    assert a != b


def test_what_is_no_run_cannot_be_compared(place: Path) -> None:
    with pytest.raises(GentoolError, match="takes two runs or more"):
        gentoolkit.compare_runs([place / "a"])
    with pytest.raises(GentoolError, match="is no run folder"):
        gentoolkit.compare_runs([place / "a", place / "c"])
    with pytest.raises(GentoolError, match="is no folder"):
        gentoolkit.runs(place / "nowhere")


def test_the_commands(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "b/recipe.toml").unlink()
    monkeypatch.chdir(place.parent)
    code, out, _ = gentool(capsys, monkeypatch, "runs", "ls")
    head, *rows = out.splitlines()
    assert (code, head.split()[:3]) == (0, ["run", "recipe", "step"])
    assert sorted(line.split()[0] for line in rows) == ["runs/a", "runs/b"]
    assert "broken: it has no recipe.toml" in out
    assert "4/4" in out
    code, out, _ = gentool(capsys, monkeypatch, "runs", "ls", "--json")
    assert {run["name"]: run["state"] for run in json.loads(out)} == {"a": "finished", "b": "broken"}
    shutil.copytree(place / "a", place / "c")
    code, out, _ = gentool(capsys, monkeypatch, "runs", "compare", "runs/a", "runs/c")
    assert (code, out.startswith("the recipes do not differ")) == (0, True)
    assert "denoiser/simple" in out
    code, out, _ = gentool(capsys, monkeypatch, "runs", "compare", "runs/a", "runs/c", "--json")
    assert json.loads(out)["runs"] == ["runs/a", "runs/c"]
    assert gentool(capsys, monkeypatch, "runs", "compare", "runs/a")[0] == 2
    monkeypatch.setattr("gentoolkit.engine.log.console.on_a_terminal", lambda: True)
    code, out, _ = gentool(capsys, monkeypatch, "runs", "ls")
    assert (code, "ddpm on" in out) == (0, True)
    (place / "empty").mkdir()
    assert gentool(capsys, monkeypatch, "runs", "ls", "runs/empty")[1] == "runs/empty has no runs yet\n"
