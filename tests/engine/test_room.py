"""What is too large for the memory is done in parts: the same samples but for rounding, said once, down to a single one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gentoolkit
from gentoolkit.components.denoisers.perceptron import Perceptron
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.processes.stopping import Stopped
from gentoolkit.engine.samples.room import Room
from gentoolkit.engine.samples.sampling import chunk
from gentoolkit.registry import GentoolError

from . import tiny

MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("not enough memory: you tried to allocate 9 bytes."),
    MemoryError(),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    folder = tmp_path_factory.mktemp("room") / "run"
    table = tiny.recipe("ddgan", folder, precision="fp64")
    table["metrics"] = {"fd": {"use": "fd", "features": "pixels", "samples": 21}}
    gentoolkit.train(table, quiet=True)
    return gentoolkit.load(folder)


def bounded(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception = MEMORY[0]) -> list[int]:
    """Have the network raise above `most` samples; the sizes that it was given."""
    seen: list[int] = []
    forward = Perceptron.forward

    def limited(self: Any, x: Any, *rest: Any, **more: Any) -> Any:
        seen.append(len(x))
        if len(x) > most:
            raise error
        return forward(self, x, *rest, **more)

    monkeypatch.setattr(Perceptron, "forward", limited)
    return seen


@pytest.mark.parametrize("error", MEMORY, ids=["cuda", "cpu", "not enough", "python"])
@pytest.mark.parametrize("most", [4, 3, 1])
def test_samples_do_not_change_and_it_is_said_once(
    run: TrainedRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], most: int, error: Exception
) -> None:
    whole = run.sample(21, seed=3)
    seen = bounded(monkeypatch, most, error)
    assert torch.allclose(run.sample(21, seed=3), whole, rtol=0, atol=1e-12)
    fits = {4: 4, 3: 2, 1: 1}[most]
    assert sum(size > fits for size in seen) == {4: 1, 2: 2, 1: 3}[fits], "what did not fit is not tried again in later chunks"
    warning = "warning: 8 samples at once do not fit into memory; 4 or fewer are drawn at once\n"
    assert capsys.readouterr().err == warning


def test_where_not_even_one_fits_it_is_told_and_other_errors_are_left_alone(
    run: TrainedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded(monkeypatch, 0)
    with pytest.raises(GentoolError, match=r"a single sample was drawn \(CUDA out of memory. Tried to allocate 2.00 GiB.\)"):
        run.sample(8)
    bounded(monkeypatch, 0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run.sample(8)


def test_all_processes_are_asked_equally_often_whatever_fits(run: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def questions(most: int, late: bool, stop_at: int = 99) -> list[int]:
        """How often it was asked before memory ran out in every size that does not fit, and in the end."""
        asked: list[int] = []
        forward = Perceptron.forward

        def limited(self: Any, x: Any, *rest: Any, **more: Any) -> Any:
            if len(x) > most and (not late or len(asked) > 2):
                raise MEMORY[0]
            return forward(self, x, *rest, **more)

        def leave() -> bool:
            asked.append(1)
            return len(asked) == stop_at

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Perceptron, "forward", limited)
            try:
                chunk(run.model, run.sampler, run.facts, 0, 1, 8, leave=leave, room=Room("drawn", lambda text: None))
            except Stopped:
                asked.append(-1)
        return asked

    whole = questions(8, late=False)
    assert len(whole) == 5, "x_4, ..., x_0"
    for most in (1, 3, 4):
        assert questions(most, late=False) == questions(most, late=True) == whole
    assert questions(3, late=True, stop_at=4) == questions(8, late=False, stop_at=4) == [1, 1, 1, 1, -1], "a stop is obeyed"


def test_features_are_taken_in_parts(run: TrainedRun, capsys: pytest.CaptureFixture[str]) -> None:
    def look(samples: torch.Tensor) -> dict[str, Any]:
        if len(samples) > 5:
            raise MEMORY[1]
        return {"features": samples.numpy() * 2.0, "logits": samples.numpy()[:, :1]}

    room, samples = Room("measured"), torch.arange(26.0).reshape(13, 2)
    for _ in range(2):
        found = room.looked(look, samples)
        assert np.array_equal(found["features"], samples.numpy() * 2) and found["logits"].shape == (13, 1)
    assert capsys.readouterr().err == "warning: 13 samples at once do not fit into memory; 7 or fewer are measured at once\n"


def test_an_evaluation_goes_through_and_says_the_same(run: TrainedRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = gentoolkit.evaluate(run)[0]
    bounded(monkeypatch, 3)
    found = gentoolkit.evaluate(run)[0]
    assert found.protocol == whole.protocol and found.evaluations == whole.evaluations == 4
    assert found.values == pytest.approx(whole.values, rel=1e-6)
