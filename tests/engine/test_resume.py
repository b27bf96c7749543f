"""A run that was interrupted ends as one that was not, bit for bit; damage is noticed and passed over."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import gentoolkit
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints, journal
from gentoolkit.engine.storage.writing import write
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny


def with_dropout(method: str, folder: Path, **training: Any) -> dict[str, Any]:
    """The tiny recipe on digits with a U-Net that drops features."""
    table = tiny.recipe(method, folder, **training)
    unet = {"use": "unet", "width": 4, "mults": [1], "dropout": 0.5}
    return {**table, "data": "digits", "model": {**table["model"], "denoiser": unet}}


def learned_numbers(line: dict[str, Any]) -> dict[str, Any]:
    """What of a line of the log is no measurement of this machine."""
    return {k: v for k, v in line.items() if k == "step" or "/" in k}


@pytest.mark.parametrize("method", [*tiny.METHODS, "dropout"])
def test_stop_and_resume_is_bitwise_equal_to_not_stopping(tmp_path: Path, method: str) -> None:
    def recipe(folder: str, **training: Any) -> dict[str, Any]:
        if method == "dropout":
            return with_dropout("ddpm", tmp_path / folder, **training)
        return tiny.recipe(method, tmp_path / folder, **training)

    train(recipe("straight"), quiet=True)
    tiny.torch.manual_seed(12345)  # a caller's own generator is nothing to us
    train(recipe("broken", steps=2), quiet=True)
    train(recipe("broken", steps=4), quiet=True)
    outcome = train(recipe("broken"), quiet=True)
    assert (outcome.step, outcome.code) == (6, 0)
    straight, broken = tiny.state(tmp_path / "straight"), tiny.state(tmp_path / "broken")
    assert straight[0] == broken[0] == 6
    assert tiny.identical(straight[1], broken[1])
    logs = [journal.read(tmp_path / name / "metrics.jsonl") for name in ("straight", "broken")]
    assert [line["step"] for line in logs[1]] == [1, 2, 3, 4, 5, 6]
    for one, two in zip(*logs, strict=True):
        assert learned_numbers(one) == learned_numbers(two)


def test_training_changes_what_it_should(tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "run"), quiet=True)
    folders = checkpoints.committed(tmp_path / "run" / "checkpoints")
    assert [checkpoint.step for checkpoint in folders] == [6, 4, 2]
    (_, last), (_, before) = (checkpoints.load(path, tiny.World(0, 1, tiny.torch.device("cpu"))) for path in folders[:2])
    assert last.keys() == before.keys()
    for name, value in last.items():
        assert not tiny.torch.equal(value, before[name]), f"{name} did not move"


@pytest.mark.parametrize("way", ["flip", "truncate", "delete", "commit", "metadata"])
def test_a_damaged_checkpoint_is_passed_over_and_said(tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny.recipe("ddpm", tmp_path / "straight"), quiet=True)
    train(tiny.recipe("ddpm", tmp_path / "run", steps=4), quiet=True)
    newest = checkpoints.committed(tmp_path / "run" / "checkpoints")[0].path
    shard = next(newest.glob("*.distcp"))
    if way == "flip":
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    elif way == "truncate":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif way == "delete":
        shard.unlink()
    elif way == "commit":
        (newest / checkpoints.COMMIT).write_text("{")
    else:
        (newest / ".metadata").write_bytes(b"")
    assert gentoolkit.load(tmp_path / "run").step == 2
    capsys.readouterr()
    train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)
    assert f"checkpoint {newest.name} is damaged and was passed over" in capsys.readouterr().err
    assert tiny.identical(tiny.state_passing_over(tmp_path / "run"), tiny.state(tmp_path / "straight")[1])


def test_kill_minus_nine_costs_at_most_the_steps_since_the_last_commit(tmp_path: Path) -> None:
    """The same command, killed at random moments until it is done, ends with the weights of an undisturbed run."""
    long = {"steps": 60, "checkpoint_every": 3, "keep": 2}
    train(tiny.recipe("ddgan", tmp_path / "straight", **long), quiet=True)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(tiny.recipe("ddgan", tmp_path / "killed", **long)))
    code = (
        "import json, sys; from gentoolkit.engine.train import train; print('ready', flush=True); "
        "train(json.load(open(sys.argv[1])), quiet=True)"
    )
    kills = 0
    for delay in (0.15, 0.4, 0.8, None):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(recipe)], stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert process.stdout is not None
        process.stdout.readline()
        if delay is not None:
            until = time.monotonic() + 60
            while not checkpoints.committed(tmp_path / "killed" / "checkpoints") and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        process.wait(120)
        kills += process.returncode == -signal.SIGKILL
        process.stdout.close()
    assert kills >= 1
    assert process.returncode == 0
    assert tiny.identical(tiny.state(tmp_path / "killed")[1], tiny.state(tmp_path / "straight")[1])


def test_a_damaged_checkpoint_never_pushes_out_a_sound_one(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=4, keep=1), quiet=True)
    newest = checkpoints.committed(tmp_path / "run" / "checkpoints")[0].path
    next(newest.glob("*.distcp")).write_bytes(b"")
    assert train(tiny.recipe("ddpm", tmp_path / "run", steps=3, keep=1), allow_change=True, quiet=True).step == 3
    assert gentoolkit.load(tmp_path / "run").step == 3


@pytest.mark.parametrize("way", ["sgd", "adamw"])
def test_another_optimizer_starts_anew_and_says_so(tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    other = tiny.recipe("ddpm", tmp_path / "run", steps=4)
    other["method"] = {"use": "ddpm", "optimizers": {"denoiser": {"use": way, "lr": 1e-3}}}
    train(other, allow_change=True, quiet=True)
    assert f"update 'denoiser' was trained with adam; its {way} starts anew" in capsys.readouterr().err
    steps = {int(v) for name, v in tiny.state(tmp_path / "run")[1].items() if name.endswith("/step")}
    assert steps == ({2} if way == "adamw" else set())


def test_an_unfinished_checkpoint_never_counts(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=4), quiet=True)
    newest = checkpoints.committed(tmp_path / "run" / "checkpoints")[0].path
    (newest / checkpoints.COMMIT).unlink()
    assert gentoolkit.load(tmp_path / "run").step == 2
    train(tiny.recipe("ddpm", tmp_path / "run", steps=4), quiet=True)
    assert gentoolkit.load(tmp_path / "run").checkpoint.name == "step-00000004-1", "a name is never written twice"


def test_a_changed_recipe_is_refused_with_its_differences(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    with pytest.raises(GentoolError, match=r"training\.batch_size: 8 -> 16") as caught:
        train(tiny.recipe("ddpm", tmp_path / "run", batch_size=16), quiet=True)
    assert "--allow-change" in str(caught.value)
    assert tiny.state(tmp_path / "run")[0] == 2
    assert train(tiny.recipe("ddpm", tmp_path / "run", steps=3, log_every=3), quiet=True).step == 3
    assert train(tiny.recipe("ddpm", tmp_path / "run", batch_size=16), allow_change=True, quiet=True).step == 6


def test_a_finished_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert train(tiny.recipe("ddpm", tmp_path / "run")).code == 0
    assert "has done its 6 steps" in capsys.readouterr().out
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    from gentoolkit.engine.storage import folder

    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    with folder.lock(tmp_path / "run"), pytest.raises(GentoolError, match="another process is training"):
        train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)


def test_resume_never_refuses_a_folder_with_checkpoints(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    with pytest.raises(GentoolError, match="already has checkpoints"):
        train(tiny.recipe("ddpm", tmp_path / "run", resume="never"), quiet=True)


def test_what_a_new_regularizer_keeps_track_of_starts_anew_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny.recipe("ddgan", tmp_path / "run", steps=2), quiet=True)
    table = tiny.recipe("ddgan-lecam", tmp_path / "run")
    table["run"]["name"] = "ddgan"
    train(table, allow_change=True, quiet=True)
    assert "what 'lecam' keeps track of is not in the checkpoint; it starts anew" in capsys.readouterr().err
    assert float(tiny.state(tmp_path / "run")[1]["running/lecam/updates"]) == 4


def test_a_checkpoint_that_cannot_be_written_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    here = World(0, 1, torch.device("cpu"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(
            GentoolError, match=r"step-00000001 cannot be written: File too large \([\d,]+ MiB were free\); once"
        ) as caught:
            write(tmp_path, 1, {"x": torch.zeros(100_000)}, here, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_torch_cannot_read_is_a_message(tmp_path: Path) -> None:
    here = World(0, 1, torch.device("cpu"))
    saved = write(tmp_path, 1, {"x": torch.zeros(10)}, here, {})
    next(saved.path.glob("*.distcp")).unlink()
    with pytest.raises(GentoolError, match="step-00000001 cannot be loaded: No such file or directory"):
        checkpoints.load(saved, here)
