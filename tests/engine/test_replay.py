"""A step that is replayed is the step that was taken, and what failed in it is found."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import gentoolkit
from gentoolkit.engine.guard import Diverged
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny
from .poison import poisoned
from .test_guard import fourth


@pytest.mark.parametrize("every", [1, 3])
def test_a_sound_step_has_the_numbers_of_the_log(tmp_path: Path, every: int) -> None:
    train(tiny.recipe("ddgan", tmp_path / "run", log_every=every, checkpoint_every=every), quiet=True)
    before = sorted(p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*") if p.is_file())
    for step in (3, 6):
        report = gentoolkit.replay(tmp_path / "run", step)
        assert report.finite
        assert report.same, str(report)
        assert {"denoiser/adversarial", "denoiser/grad_norm", "discriminator/grad_norm"} <= report.logged.keys()
        assert f"step-{step - every:08d}" in report.start or step == every
        assert "as logged" in str(report)
    assert sorted(p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*") if p.is_file()) == before


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_a_step_that_failed_is_found_from_its_dump(tmp_path: Path, backward: bool) -> None:
    with poisoned("ddgan-lecam", "denoiser", fourth, backward):
        with pytest.raises(Diverged):
            train(tiny.recipe("ddgan-lecam", tmp_path / "run"), quiet=True, deep=False)
        report = gentoolkit.replay(tmp_path / "run", 4)
    assert "dumps/step-00000003" in report.start
    assert not report.finite
    assert math.isnan(report.values["denoiser/adversarial"]) is not backward
    assert math.isnan(report.values["denoiser/grad_norm"])
    assert "discriminator/adversarial" not in report.values, "it was taken before the dump"
    assert any(name.startswith("denoiser.") for name in report.gradients)


def test_the_first_module_with_a_bad_output_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)
    from torch import nn

    honest = nn.Linear.forward

    def forward(self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        out = honest(self, x)
        return out * torch.nan if self.out_features == 2 else out

    monkeypatch.setattr(nn.Linear, "forward", forward)
    report = gentoolkit.replay(tmp_path / "run", 5)
    assert report.module is not None
    assert report.module.startswith("denoiser.")
    assert f"first module with an output that is not finite: {report.module}" in str(report)


def test_a_step_that_is_not_there_is_said(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    with pytest.raises(GentoolError, match="has steps 1 to 2, not 3"):
        gentoolkit.replay(tmp_path / "run", 3)
