"""A method whose option is another run's model: a student learns from a frozen teacher, through no new door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import gentoolkit
from gentoolkit.components.methods import Batch, Method, Net, Plan, Term, Terms, Update
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.diffusion import Draw, mean_per_sample
from gentoolkit.engine.train import train
from gentoolkit.registry import Facts, GentoolError, Registrar, RunRef, component, hookimpl, opt
from gentoolkit.registry.plugins import Plugin, get_registry

from . import tiny


@component
class Distill(Method):
    """The student's x_0 follows the teacher's, wherever the forward process goes."""

    teacher: RunRef = opt(help="the run whose model is followed")
    optimizers: dict[str, Optimizer] = opt({"denoiser": {"use": "adam", "lr": 1e-2}}, "of the update denoiser")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Plan:
        """One update."""
        teacher = parts["teacher"]

        def loss(nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
            student = nets["denoiser"]
            t = rng.integers("t", 1, facts.steps)
            x_t = student.process.marginal(batch.x_0, t, rng.normal("eps", facts.shape))
            with torch.no_grad():
                aim = teacher.x_0_hat(x_t, t, teacher.draw_z(rng), batch.condition)
            return Terms({"follow": mean_per_sample((student.x_0_hat(x_t, t, None, batch.condition) - aim) ** 2)}, t)

        nets = (Net("denoiser", parts["model"], ema=True),)
        return Plan(nets, (Update("denoiser", ("denoiser",), (Term("follow"),), loss, self.optimizers["denoiser"]),))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin `toy`, for as long as the test runs."""

    class Module:
        @hookimpl
        def gentoolkit_register(self, registry: Registrar) -> None:
            registry.add("method", "distill", Distill, "a student follows a teacher")

    plugin = Plugin("toy", "toy", "toy 0", loaded=Module())
    monkeypatch.setitem(get_registry().plugins, "toy", plugin)


def test_a_student_learns_from_another_runs_frozen_model(tmp_path: Path, toy: None) -> None:
    train(tiny.recipe("ddpm", tmp_path / "teacher"), quiet=True)
    before = tiny.state(tmp_path / "teacher")[1]
    student = tiny.recipe("ddpm", tmp_path / "student", steps=300, log_every=100, checkpoint_every=300)
    student["method"] = {"use": "toy/distill", "teacher": str(tmp_path / "teacher")}
    train(student, quiet=True)

    teacher_model, student_model = (gentoolkit.load(tmp_path / name).model for name in ("teacher", "student"))
    x, t = torch.randn(200, 2), torch.arange(200) % 4 + 1
    aim, got = (m.x_0_hat(x, t, None, gentoolkit.components.model.Condition()) for m in (teacher_model, student_model))
    assert float((aim - got).square().mean()) < 0.05 * float(aim.square().mean())
    assert tiny.identical(tiny.state(tmp_path / "teacher")[1], before), "the teacher is never touched"
    names = {name.split("/")[1] for name in tiny.state(tmp_path / "student")[1] if name.startswith("net/")}
    assert names == {"denoiser"}, "the teacher is not part of what the student saves"
    assert gentoolkit.load(tmp_path / "student").sample(5).shape == (5, 2)


def test_a_reference_to_no_run_is_the_users_mistake(tmp_path: Path, toy: None) -> None:
    student = tiny.recipe("ddpm", tmp_path / "student")
    student["method"] = {"use": "toy/distill", "teacher": str(tmp_path / "nowhere")}
    with pytest.raises(GentoolError, match="no run folder"):
        train(student, quiet=True)
    assert not (tmp_path / "student").exists(), "nothing was begun"
