"""Snapshots: models for people while a run goes on, which change nothing of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import gentoolkit
from gentoolkit.engine.models import model_folder
from gentoolkit.engine.train import train
from gentoolkit.recipe.exported import verified
from gentoolkit.registry import GentoolError

from . import tiny


def recipe(folder: Path, method: str = "ddgan", **training: Any) -> dict[str, Any]:
    """The tiny recipe with a snapshot every 4 of 6 steps."""
    return tiny.recipe(method, folder, **{"snapshot_every": 4, **training})


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """(bytes, time of writing) of every file below."""
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_a_snapshot_is_an_exported_model_with_a_picture(tmp_path: Path) -> None:
    train(recipe(tmp_path / "run"), quiet=True)
    train(tiny.recipe("ddgan", tmp_path / "plain"), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "run")[1], tiny.state(tmp_path / "plain")[1]), "the run is the same"
    assert not (tmp_path / "plain" / "snapshots").exists()
    folder = tmp_path / "run" / "snapshots"
    assert sorted(p.name for p in folder.iterdir()) == ["step-00000004", "step-00000006"]
    last = folder / "step-00000006"
    assert sorted(p.name for p in last.iterdir()) == [
        "MANIFEST.json", "README.md", "model.safetensors", "recipe.toml", "samples.png",
    ]  # fmt: skip
    exported = gentoolkit.export(tmp_path / "run", tmp_path / "model")
    for name in ("README.md", "model.safetensors", "recipe.toml"):
        assert (last / name).read_bytes() == (exported / name).read_bytes(), f"{name} is as it is exported"
    model = gentoolkit.load(last)
    assert (model.step, model.weights) == (6, "ema")
    assert torch.equal(model.sample(9), gentoolkit.load(tmp_path / "run").sample(9))
    earlier = gentoolkit.load(folder / "step-00000004")
    assert earlier.step == verified(folder / "step-00000004").step == 4
    assert not torch.equal(earlier.sample(9), model.sample(9))
    assert Image.open(last / "samples.png").size == (480, 480)
    with pytest.raises(GentoolError, match="is an exported model, which cannot be trained"):
        train(last, quiet=True)


def test_snapshots_of_images_and_classes(tmp_path: Path) -> None:
    table = recipe(tmp_path / "run", "ddpm", steps=2, batch_size=4)
    table |= {"data": "digits", "model": {**table["model"], "condition": "class"}}
    table["observers"] = {"grid": {"use": "sample-grid", "samples": 4, "every": 100}}
    train(table, quiet=True)
    snapshot = tmp_path / "run" / "snapshots" / "step-00000002"
    run, model = gentoolkit.load(tmp_path / "run"), gentoolkit.load(snapshot)
    assert model.label_counts == run.label_counts
    assert torch.equal(model.sample(9), run.sample(9))
    own, theirs = Image.open(snapshot / "samples.png"), Image.open(tmp_path / "run" / "samples" / "step-00000002.png")
    assert own.size == (402, 402), "64 images"
    assert theirs.size == (102, 102), "an observer sees as many samples as it asked for"


def test_a_resumed_run_rewrites_no_snapshot_and_misses_none(tmp_path: Path) -> None:
    where = tmp_path / "run"
    train(recipe(where, checkpoint_every=100), quiet=True)
    before = contents(where / "snapshots")
    for path in (where / "checkpoints").iterdir():
        shutil.rmtree(path)
    shutil.rmtree(where / "snapshots" / "step-00000006")
    train(recipe(where, checkpoint_every=100), quiet=True)  # as after a crash: from the start, over its own snapshots
    after = contents(where / "snapshots")
    assert {k: v for k, v in after.items() if "00004/" in k} == {k: v for k, v in before.items() if "00004/" in k}
    weights = "step-00000006/model.safetensors"
    assert after[weights][0] == before[weights][0]
    assert after.keys() == before.keys()


def test_a_snapshot_of_another_recipe_gives_way(tmp_path: Path) -> None:
    where = tmp_path / "run"
    train(recipe(where, steps=4, checkpoint_every=2), quiet=True)
    shutil.rmtree(where / "checkpoints" / "step-00000004")
    before = json.loads((where / "snapshots" / "step-00000004" / "MANIFEST.json").read_text())
    train(recipe(where, steps=4, checkpoint_every=2, clip=0.01), allow_change=True, quiet=True)
    after = json.loads((where / "snapshots" / "step-00000004" / "MANIFEST.json").read_text())
    assert before["run_id"] != after["run_id"] == gentoolkit.load(where).loaded.run_id
    assert before["files"]["model.safetensors"] != after["files"]["model.safetensors"]


def test_one_that_cannot_be_written_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "manifest", full)
        assert train(recipe(tmp_path / "run"), quiet=True).code == 0
    assert "step-00000004 cannot be written: No space left on device; the run goes on" in capsys.readouterr().err
    assert list((tmp_path / "run" / "snapshots").iterdir()) == []
    assert gentoolkit.load(tmp_path / "run").step == 6


def test_snapshots_may_come_and_go_without_a_change_of_recipe(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    train(recipe(tmp_path / "run", "ddpm", steps=3), quiet=True)
    assert [p.name for p in (tmp_path / "run" / "snapshots").iterdir()] == ["step-00000003"]
