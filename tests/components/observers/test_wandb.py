"""The mirror in Weights & Biases: the log and the pictures, under one id, and never in the way."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from gentoolkit.components.observers import wandb_mirror
from gentoolkit.components.observers.wandb import WandB
from gentoolkit.engine.log.watchers import RunView
from gentoolkit.engine.samples.results import Result
from gentoolkit.registry import Facts, GentoolError

FACTS = Facts(kind="image", shape=(1, 4, 4))


def view(folder: Path, identity: str = "abc") -> Any:
    folder.mkdir(exist_ok=True)
    return RunView(folder, "tiny", None, FACTS, identity)  # type: ignore[arg-type]


def sent(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "wandb/standin.jsonl").read_text().splitlines()]


def go(run: Any, steps: range, **options: Any) -> None:
    mirror = WandB(**options).build(FACTS, {})
    mirror.run_started(run=run, step=steps[0])
    for step in steps:
        logs = {"step": step, "rate": 2.0, "denoiser/simple": 0.5, "loss_per_t": {"denoiser/simple": [0.25, None]}}
        mirror.step_ended(run=run, step=step, logs=logs)
    mirror.sampled(run=run, step=step, samples=torch.zeros(80, 1, 4, 4))
    mirror.evaluated(run=run, step=step, results=[Result("modes", {"kl": 0.1}, "p", step, "ema", 0)])
    mirror.run_ended(run=run, step=step)


def test_the_log_and_the_pictures_are_mirrored(tmp_path: Path) -> None:
    run = view(tmp_path / "run")
    go(run, range(3, 5), mode="offline", project="p")
    init, axis, *lines, end = sent(tmp_path / "run")
    given = init["init"]
    told = {name: given[name] for name in ("project", "entity", "name", "resume", "mode")}
    assert told == {"project": "p", "entity": None, "name": "tiny", "resume": "allow", "mode": "offline"}
    assert given["settings"]["x_disable_meta"] is True
    assert axis == {"define": ["*", "step"]}
    line = {"rate": 2.0, "denoiser/simple": 0.5, "denoiser/simple per t/1": 0.25}
    assert lines[:2] == [{"step": 3, **line}, {"step": 4, **line}]
    width, height = lines[2].pop("samples")
    assert width == height > 8 * 4, "64 of the 80"
    assert lines[2:] == [{"step": 4}, {"step": 4, "metrics/modes/kl": 0.1}]
    assert end == {"finish": 0}


def test_a_resumed_run_goes_on_under_its_id_and_another_has_another(tmp_path: Path) -> None:
    go(view(tmp_path / "run"), range(1, 2))
    go(view(tmp_path / "run", "more steps"), range(2, 3))
    (tmp_path / "run").rename(tmp_path / "moved")
    go(view(tmp_path / "moved"), range(3, 4))
    ids = [line["init"]["id"] for line in sent(tmp_path / "moved") if "init" in line]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert wandb_mirror.identity_of(view(tmp_path / "other")) != ids[0]


def test_online_only_if_asked_for_or_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [wandb_mirror.mode_of(mode) for mode in ("auto", "offline", "online")] == ["offline", "offline", "online"]
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password key\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb_mirror.mode_of("auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://another.example")
    assert wandb_mirror.mode_of("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert wandb_mirror.mode_of("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mirror.mode_of("auto") == "disabled"


def test_a_service_that_hangs_or_fails_is_no_concern_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, hanging = view(tmp_path / "run"), threading.Event()
    mirror = WandB().build(FACTS, {})
    monkeypatch.setattr(wandb_mirror.wandb, "init", lambda **_: hanging.wait())
    monkeypatch.setattr(wandb_mirror, "PATIENCE", 0.05)
    mirror.run_started(run=run, step=0)
    mirror.step_ended(run=run, step=1, logs={"rate": 1.0})  # returns at once
    with pytest.raises(TimeoutError, match="wandb sync"):
        mirror.run_ended(run=run, step=1)
    hanging.set()
    mirror.thread.join(30)
    with pytest.raises(AttributeError):  # what the thread met
        mirror.step_ended(run=run, step=2, logs={"rate": 1.0})


def test_a_failed_run_is_told_as_one(tmp_path: Path) -> None:
    mirror = WandB().build(FACTS, {})
    mirror.run_failed(run=view(tmp_path / "early"), step=0, error=RuntimeError())  # before it began
    run = view(tmp_path / "run")
    mirror.run_started(run=run, step=0)
    mirror.run_failed(run=run, step=0, error=RuntimeError())
    assert sent(tmp_path / "run")[-1] == {"finish": 1}


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gentoolkit.components.observers.wandb_mirror", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(GentoolError, match=r"gentoolkit\[wandb\]"):
        WandB().build(Facts(), {})
