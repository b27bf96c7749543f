"""Compiled losses: equal to the eager ones, or not used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gentoolkit.components.methods import Terms
from gentoolkit.components.methods.gaussian_steps import GaussianSteps
from gentoolkit.engine.numerics import programs
from gentoolkit.engine.numerics.programs import difference, stirred
from gentoolkit.engine.storage import journal
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny

EXPECTED = {
    "ddgan": ["discriminator (adversarial, r1)", "denoiser (adversarial)", "discriminator (adversarial)"],
    "ddgan-lecam": ["discriminator (adversarial, lecam, r1)", "denoiser (adversarial)", "discriminator (adversarial, r1)"],
    "cvae": ["denoiser (rec, kl)"],
    "ddpm": ["denoiser (simple)"],
    "dropout": ["denoiser (simple)"],
}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are traced, differentiated and run as graphs; nothing is translated to C++, which takes long."""
    monkeypatch.setattr(programs, "BACKEND", "aot_eager")


def recorded(folder: Path) -> list[dict[str, Any]]:
    """What each start in a run folder says of its programs."""
    starts: list[dict[str, Any]] = json.loads((folder / "environment.json").read_text())
    return [start.get("programs", {}) for start in starts]


def recipe(method: str, folder: Path, **training: Any) -> dict[str, Any]:
    """The tiny recipe; `dropout` is ddpm on digits with a U-Net that drops features and knows classes."""
    if method != "dropout":
        return tiny.recipe(method, folder, **training)
    table = tiny.recipe("ddpm", folder, **training)
    model = {**table["model"], "denoiser": {"use": "unet", "width": 4, "mults": [1], "dropout": 0.5}, "condition": "class"}
    return {**table, "data": "digits", "model": model}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("method", EXPECTED)
def test_a_compiled_run_ends_as_the_eager_one_interrupted_or_not(tmp_path: Path, method: str) -> None:
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    train(recipe(method, tmp_path / "compiled", precision="fp64", compile="all"), quiet=True)
    made = graphs["unique_graphs"] - before
    train(recipe(method, tmp_path / "eager", precision="fp64"), quiet=True)
    compiled, eager = (tiny.state(tmp_path / name)[1] for name in ("compiled", "eager"))
    assert tiny.largest_difference(compiled, eager) < 1e-12
    (found,) = recorded(tmp_path / "compiled")
    assert list(found) == EXPECTED[method]
    assert all(v["compiled"] and v["difference"] < 1e-12 for v in found.values())
    assert made == len(found), "terms that come and go had a program compiled again"
    first, *rest = journal.read(tmp_path / "compiled" / "metrics.jsonl")
    assert first["seconds_compiling"] > 0
    assert rest[-1]["seconds_compiling"] == 0

    for steps in (3, 6):
        train(recipe(method, tmp_path / "broken", precision="fp64", compile="all", steps=steps), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "broken")[1], compiled)


def test_the_real_compiler_makes_second_order_programs(tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "run", steps=1, compile="all"), quiet=True)
    train(tiny.recipe("ddgan", tmp_path / "eager", steps=1), quiet=True)
    (found,) = recorded(tmp_path / "run")
    assert found["discriminator (adversarial, r1)"]["compiled"]
    assert all(v["difference"] < 1e-5 for v in found.values())
    gradients = [{k: v for k, v in tiny.state(tmp_path / f)[1].items() if k.endswith("exp_avg")} for f in ("run", "eager")]
    assert tiny.largest_difference(*gradients) < 1e-4


@pytest.mark.usefixtures("traced")
def test_a_program_that_differs_is_not_used_and_that_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = GaussianSteps.denoiser

    def miscompiled(self: Any, *arguments: Any) -> Terms:
        terms = honest(self, *arguments)
        factor = 1.01 if torch.compiler.is_compiling() else 1.0
        return Terms({k: v * factor for k, v in terms.values.items()}, terms.t)

    monkeypatch.setattr(GaussianSteps, "denoiser", miscompiled)
    train(recipe("dropout", tmp_path / "auto", compile="auto"))
    said = capsys.readouterr().out
    assert said.count("not compiled: denoiser (simple); it runs eagerly, since it differs from the eager loss by 1.0e-02") == 1
    (found,) = recorded(tmp_path / "auto")
    assert not found["denoiser (simple)"]["compiled"]
    assert found["denoiser (simple)"]["difference"] == pytest.approx(0.01, rel=1e-3)
    # The comparison itself has left no trace: these are the bits of a run that never tried.
    train(recipe("dropout", tmp_path / "off"), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "auto")[1], tiny.state(tmp_path / "off")[1])

    with pytest.raises(GentoolError, match=r'compile = "all", but the loss of denoiser \(simple\) cannot be: it differs'):
        train(recipe("dropout", tmp_path / "all", compile="all"), quiet=True)

    # A resumed run does what the run did, though the comparison would now pass.
    monkeypatch.setattr(GaussianSteps, "denoiser", honest)
    train(recipe("dropout", tmp_path / "auto", compile="auto", steps=8), quiet=True)
    assert [r["denoiser (simple)"]["compiled"] for r in recorded(tmp_path / "auto")] == [False, False]


def test_without_a_compiler_losses_run_eagerly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no C++ compiler\nsecond line")

    monkeypatch.setattr(programs, "BACKEND", broken)
    train(tiny.recipe("ddpm", tmp_path / "run", compile="auto", steps=2), quiet=True)
    train(tiny.recipe("ddpm", tmp_path / "off", steps=2), quiet=True)
    (found,) = recorded(tmp_path / "run")
    assert "no C++ compiler" in found["denoiser (simple)"]["reason"]
    assert "second line" not in found["denoiser (simple)"]["reason"]
    assert tiny.identical(tiny.state(tmp_path / "run")[1], tiny.state(tmp_path / "off")[1])


@pytest.mark.usefixtures("traced")
def test_a_second_derivative_through_checkpointed_blocks_ends_no_run_that_may_do_without_a_program(tmp_path: Path) -> None:
    for name, mode in (("run", "auto"), ("off", "off")):
        table = tiny.recipe("ddgan", tmp_path / name, steps=1, compile=mode, activation_checkpointing=True)
        judge = {"use": "conv", "width": 4, "mults": [1]}
        train({**table, "data": "digits", "method": {**table["method"], "discriminator": judge}}, quiet=True, deep=False)
    (found,) = recorded(tmp_path / "run")
    assert set(found) == {"discriminator (adversarial, r1)", "denoiser (adversarial)"}, "some torch compiles the first"
    assert found["denoiser (adversarial)"]["compiled"]
    assert tiny.largest_difference(tiny.state(tmp_path / "run")[1], tiny.state(tmp_path / "off")[1]) < 1e-4


@pytest.mark.usefixtures("traced")
def test_a_program_that_was_used_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", compile="auto", steps=2), quiet=True)
    monkeypatch.setattr(programs, "TOLERANCE", {"fp32": -1.0})
    train(tiny.recipe("ddpm", tmp_path / "run", compile="auto", steps=4), quiet=True)
    assert [r["denoiser (simple)"]["compiled"] for r in recorded(tmp_path / "run")] == [True, True]
    # Another batch is another program, and another machine has none.
    train(tiny.recipe("ddpm", tmp_path / "run", compile="auto", steps=6, batch_size=4), quiet=True, allow_change=True)
    assert not recorded(tmp_path / "run")[2]["denoiser (simple)"]["compiled"]


def test_stirred_weights_have_their_bits_back() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    nn.init.zeros_(net[2].weight)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with stirred([net]):
        assert bool((net[2].weight != 0).all())
        net(torch.randn(5, 3))
        assert int(net[1].num_batches_tracked) == 1
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_counts_as_different() -> None:
    a, b = torch.ones(4), torch.tensor([1.0])
    assert difference([a, b, None], [a.clone(), b.clone(), None]) == 0
    assert difference([a, b], [1.1 * a, b]) == pytest.approx(0.1)
    assert difference([a, b], [a, None]) == float("inf")
    assert difference([a], [a * float("nan")]) == float("inf")
    # Noise in a tensor that is nearly zero is measured by its neighbours.
    assert difference([a, 1e-9 * b], [a, 3e-9 * b]) < 1e-6
    assert difference([a, 0.5 * b], [a, 0 * b]) == 1
