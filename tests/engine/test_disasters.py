"""What befalls a run from outside (a closed terminal, a full disk, vanished data): a message, and the last commit intact."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints, faults
from gentoolkit.engine.storage.saver import Saver
from gentoolkit.engine.storage.store import Store
from gentoolkit.engine.train import train
from gentoolkit.recipe.tree import Training
from gentoolkit.registry import GentoolError

from . import tiny

LONG = {"steps": 100_000, "checkpoint_every": 20, "log_every": 10}


@pytest.fixture
def fault() -> Iterator[Any]:
    """`faults.arm`, taken back after the test."""
    yield faults.arm
    faults.arm("")


def soon(folder: Path, act: Any) -> None:
    """Call `act` once the run in `folder` has committed something."""

    def wait() -> None:
        while not checkpoints.committed(folder / "checkpoints"):
            time.sleep(0.01)
        act()

    threading.Thread(target=wait, daemon=True).start()


def test_a_closed_terminal_stops_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    soon(tmp_path / "run", lambda: os.kill(os.getpid(), signal.SIGHUP))
    outcome = train(tiny.recipe("ddpm", tmp_path / "run", **LONG), quiet=True)
    assert outcome.code == 75
    assert tiny.state(tmp_path / "run")[0] == outcome.step


def test_under_nohup_it_does_not(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        soon(tmp_path / "run", lambda: os.kill(os.getpid(), signal.SIGHUP))
        outcome = train(tiny.recipe("ddpm", tmp_path / "run", **{**LONG, "steps": 100}), quiet=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (outcome.code, outcome.step) == (0, 100)


@pytest.mark.parametrize("way", ["pipe", "terminal"])
def test_a_run_that_nobody_listens_to_goes_on(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ear, mouth = pty.openpty() if way == "terminal" else os.pipe()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(mouth, "w") as deaf:
        monkeypatch.setattr(sys, "stdout", deaf)
        assert deaf.isatty() == (way == "terminal")
        if way == "terminal":
            soon(tmp_path / "run", lambda: os.close(ear))
        else:
            os.close(ear)
        outcome = train(tiny.recipe("ddpm", tmp_path / "run", **{**LONG, "steps": 200}))
    assert (outcome.code, outcome.step) == (0, 200)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("point", ["mkdir", "shard", "rename", "COMMIT.json", "line"])
def test_a_full_disk_ends_the_run_with_a_message_and_the_last_commit_intact(
    tmp_path: Path, point: str, background: bool, fault: Any
) -> None:
    run = tiny.recipe("ddpm", tmp_path / "run", async_checkpoints=background)
    fault(f"fail:{point}:{5 if point in ('shard', 'line') else 3}")
    with pytest.raises(GentoolError, match=r"No space left on device.*once it can, the same command goes on") as caught:
        train(run, quiet=True)
    assert "\n" not in str(caught.value)
    assert [c.step for c in checkpoints.found(tmp_path / "run" / "checkpoints")] == [4, 2], "what was begun is gone"
    fault("")
    assert train(run, quiet=True).start == 4
    train(tiny.recipe("ddpm", tmp_path / "straight"), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "run")[1], tiny.state(tmp_path / "straight")[1])


@pytest.mark.parametrize("name", ["environment.json", "data.json", "metrics.jsonl"])
def test_a_full_disk_at_the_start_says_which_file(tmp_path: Path, name: str, fault: Any) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    before = (tmp_path / "run" / name).read_text()
    fault(f"fail:{name}:1")
    with pytest.raises(OSError, match="No space left") as caught:
        train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)
    assert caught.value.filename == str(tmp_path / "run" / name)
    assert (tmp_path / "run" / name).read_text() == before
    fault("")
    assert train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True).start == 2


def test_a_fault_that_is_none_is_told() -> None:
    with pytest.raises(
        GentoolError, match=r"GENTOOL_FAULT is WHEN:POINT:COUNT, such as after:COMMIT\.json:2, not 'after:lunch:1'"
    ):
        faults.Fault("after:lunch:1")


def test_a_run_folder_that_cannot_be_written_is_told_before_anything_starts() -> None:
    with pytest.raises(
        GentoolError, match=r"the run folder /proc/gentool-run cannot be written: .*; choose another with run\.folder"
    ):
        train(tiny.recipe("ddpm", Path("/proc/gentool-run")), quiet=True)


def test_a_missing_cuda_device_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GentoolError, match='device "cuda" was asked for, but torch sees no CUDA device here'):
        train(tiny.recipe("ddpm", tmp_path / "run", device="cuda"), quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_is_named_and_its_return_lets_the_run_go_on(tmp_path: Path, workers: int) -> None:
    (tmp_path / "images").mkdir()
    for i in range(16):
        Image.fromarray(np.full((8, 8), i * 9, np.uint8)).save(tmp_path / "images" / f"{i}.png")
    run = tiny.recipe("ddpm", tmp_path / "run", **LONG, workers=workers)
    run["data"] = {"use": "image-folder", "source": str(tmp_path / "images"), "size": 8, "channels": 1}
    run["model"]["denoiser"] = {"use": "unet", "width": 4, "mults": [1]}
    soon(tmp_path / "run", lambda: (tmp_path / "images" / "3.png").rename(tmp_path / "3.png"))
    with pytest.raises(GentoolError, match=r"3\.png"):
        train(run, quiet=True)
    step, _ = tiny.state(tmp_path / "run")
    assert step >= 20
    (tmp_path / "3.png").rename(tmp_path / "images" / "3.png")
    soon(tmp_path / "run", lambda: (tmp_path / "run" / "STOP").touch())
    outcome = train(run, quiet=True)
    assert (outcome.code, outcome.start) == (75, step)


def test_a_save_in_the_background_holds_the_weights_of_its_step(tmp_path: Path) -> None:
    store, here = Store(tmp_path), World(0, 1, torch.device("cpu"))
    saver = Saver(store, here, Training(steps=1, batch_size=1, keep=9), {})
    weights = {f"w{i}": torch.zeros(100_000) for i in range(20)}
    for step in range(1, 4):
        for w in weights.values():
            w.fill_(step)
        saver.protected.add(step)
        saver.begin(step, weights, {})
        for value in range(20):
            for w in weights.values():
                w.fill_(-value)
    saver.wait()
    assert [c.step for c in saver.finished()] == [1, 2, 3]
    assert saver.finished() == []
    for checkpoint in checkpoints.committed(store):
        _, table = checkpoints.load(checkpoint, here)
        assert json.loads(checkpoint.commit())["protected"] == [*range(1, checkpoint.step + 1)]
        assert all(bool((t == checkpoint.step).all()) for t in table.values())
    saver.close()
