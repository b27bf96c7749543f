"""What the loop promises besides resuming: order, noise, averages, divergence, observers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gentoolkit
from gentoolkit.components.methods import Terms
from gentoolkit.engine.average import decay_at
from gentoolkit.engine.feed import Order, Positions
from gentoolkit.engine.guard import Diverged
from gentoolkit.engine.storage import journal
from gentoolkit.engine.train import train
from gentoolkit.recipe.tree import Ema
from gentoolkit.registry import GentoolError, get_registry

from . import tiny


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 400), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_an_epoch_is_a_permutation(size: int, seed: int, epoch: int) -> None:
    positions = np.arange(epoch * size, (epoch + 1) * size)
    indices = Order(seed, size).indices(positions)
    assert sorted(indices.tolist()) == list(range(size))
    some = positions[:: max(1, size // 7)]
    assert Order(seed, size).indices(some).tolist() == indices[some - positions[0]].tolist()


def test_epochs_and_seeds_are_ordered_differently() -> None:
    first, second = (Order(0, 100).indices(np.arange(100) + 100 * epoch).tolist() for epoch in (0, 1))
    assert first != second
    assert first != Order(1, 100).indices(np.arange(100)).tolist()


@settings(max_examples=20, deadline=None)
@given(world=st.sampled_from([1, 2, 4, 8]), start=st.integers(0, 9))
def test_batches_are_the_same_for_any_number_of_processes(world: int, start: int) -> None:
    def batch(number: int) -> list[int]:
        share = 8 // world
        ranks = [Positions(Order(0, 30), 8, (r * share, (r + 1) * share), start) for r in range(world)]
        streams = [iter(r) for r in ranks]
        for _ in range(number):
            parts = [next(s)[1].tolist() for s in streams]
        return [i for part in parts for i in part]

    whole = iter(Positions(Order(0, 30), 8, (0, 8), 0))
    expected = [next(whole)[1].tolist() for _ in range(start + 3)]
    assert batch(3) == expected[start + 2]


def test_the_average_forgets_the_start_at_once_and_then_keeps_its_decay() -> None:
    assert decay_at(Ema(decay=0.999), 0, 8) == pytest.approx(0.1)
    assert decay_at(Ema(decay=0.999), 10**6, 8) == 0.999
    assert decay_at(Ema(decay=None, half_life=800), 10**6, 8) == pytest.approx(0.5 ** (1 / 100))
    assert decay_at(Ema(decay=0.0), 5, 8) == 0.0


def test_without_an_average_the_ema_is_the_weights(tmp_path: Path) -> None:
    table = {**tiny.recipe("ddgan", tmp_path / "run"), "ema": {"decay": 0.0}}
    train(table, quiet=True)
    _, state = tiny.state(tmp_path / "run")
    averaged = {k.removeprefix("ema/"): v for k, v in state.items() if k.startswith("ema/")}
    assert len(averaged) == 8
    for name, value in averaged.items():
        assert torch.equal(value, state["net/" + name])


@pytest.mark.parametrize("method", tiny.METHODS)
def test_bf16_trains_and_stays_near_fp32(tmp_path: Path, method: str) -> None:
    for precision in ("fp32", "bf16"):
        train(tiny.recipe(method, tmp_path / precision, precision=precision), quiet=True)
    exact, rough = (journal.read(tmp_path / p / "metrics.jsonl") for p in ("fp32", "bf16"))
    for name, value in exact[0].items():
        if name.startswith(("denoiser/", "discriminator/adv")) and "norm" not in name:
            assert rough[0][name] == pytest.approx(value, rel=0.03, abs=0.03), name
            assert rough[-1][name] != exact[-1][name], f"{name}: bf16 was not used"


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    table = tiny.recipe("ddpm", tmp_path / "run", clip=1e-12, steps=1)
    table["method"] = {"use": "ddpm", "optimizers": {"denoiser": {"use": "sgd", "lr": 1.0}}}
    train(table, quiet=True)
    clipped = tiny.state(tmp_path / "run")[1]
    table = tiny.recipe("ddpm", tmp_path / "free", steps=1)
    table["method"] = {"use": "ddpm", "optimizers": {"denoiser": {"use": "sgd", "lr": 1e-30}}}
    train(table, quiet=True)
    start = tiny.state(tmp_path / "free")[1]
    for name, value in start.items():
        if name.startswith("net/"):
            torch.testing.assert_close(clipped[name], value, rtol=0, atol=1e-11)


def test_double_precision_samples_come_from_the_very_weights(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", precision="fp64"), quiet=True)
    _, state = tiny.state(tmp_path / "run")
    for name, value in gentoolkit.load(tmp_path / "run").model.state_dict().items():
        assert value.dtype == torch.float64
        assert torch.equal(value, state[f"ema/denoiser/{name}"])


def test_an_infinite_loss_counts_though_its_gradient_is_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gentoolkit.components.methods.gaussian_steps import GaussianSteps

    honest = GaussianSteps.denoiser

    def poisoned(self: Any, *arguments: Any) -> Terms:
        terms = honest(self, *arguments)
        return Terms({k: v + torch.inf for k, v in terms.values.items()}, terms.t)

    monkeypatch.setattr(GaussianSteps, "denoiser", poisoned)
    with pytest.raises(Diverged, match="denoiser/simple"):
        train(tiny.recipe("ddpm", tmp_path / "run"), quiet=True)
    assert [line["denoiser/simple"] for line in journal.read(tmp_path / "run" / "metrics.jsonl")] == ["inf"]


def test_a_stop_signal_to_the_whole_group_leaves_data_workers_at_work(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.json"
    table = tiny.recipe("ddpm", tmp_path / "run", steps=100_000, checkpoint_every=100_000, log_every=10, workers=2)
    recipe.write_text(json.dumps(table))
    code = "import json, sys; from gentoolkit.engine.train import train; sys.exit(train(json.load(open(sys.argv[1]))).code)"
    process = subprocess.Popen([sys.executable, "-c", code, str(recipe)], start_new_session=True, stdout=subprocess.DEVNULL)
    log = tmp_path / "run" / "metrics.jsonl"
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 75
    assert tiny.state(tmp_path / "run")[0] > 0


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_gradient_that_is_not_finite_stops_the_run_before_weights_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    from gentoolkit.components.methods.gaussian_steps import GaussianSteps

    honest = GaussianSteps.denoiser
    calls = []

    def poisoned(self: Any, nets: Any, batch: Any, rng: Any, active: Any) -> Terms:
        terms = honest(self, nets, batch, rng, active)
        calls.append(1)
        if len(calls) == 4:  # in step 3: the log is read after step 6
            terms = Terms({k: v * float("nan") for k, v in terms.values.items()}, terms.t)
        return terms

    def table(folder: str, **training: Any) -> dict[str, Any]:
        made = tiny.recipe("ddpm", tmp_path / folder, checkpoint_every=100, **training)
        return {**made, "method": {"use": "ddpm", "optimizers": {"denoiser": {"use": optimizer, "lr": 1e-3}}}}

    train(table("three", steps=3), quiet=True)
    monkeypatch.setattr(GaussianSteps, "denoiser", poisoned)
    seen = {}
    from gentoolkit.engine.loop import Loop

    log = Loop.log

    def look(self: Loop, *args: Any) -> None:
        seen.update({f"net/denoiser/{k}": v.clone() for k, v in self.nets.modules["denoiser"].state_dict().items()})
        log(self, *args)

    monkeypatch.setattr(Loop, "log", look)
    with pytest.raises(Diverged, match=r"not finite.*denoiser/simple") as caught:
        train(table("poisoned", log_every=6), quiet=True, deep=False)  # its calls are counted
    assert caught.value.exit_code == 70
    assert len(calls) == 6
    _, before = tiny.state(tmp_path / "three")
    for name, value in seen.items():
        assert torch.equal(value, before[name]), f"{name} was changed by the bad step or one after it"
    assert not list((tmp_path / "poisoned" / "checkpoints").glob("*")), "nothing of it was saved"


def test_observers_change_nothing_and_a_failing_one_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gentoolkit.components.observers.sampled_pictures import SamplePictures

    train(tiny.recipe("ddgan", tmp_path / "off"), quiet=True)
    on = tiny.recipe("ddgan", tmp_path / "on")
    on["observers"] = {
        "grid": {"use": "sample-grid", "every": 2, "samples": 9},
        "loss_per_step": {"use": "loss-per-step", "every": 2},
        "events": {"use": "tensorboard"},
        "service": {"use": "wandb", "mode": "offline"},
    }
    on["metrics"] = {"mixture": {"use": "mixture", "samples": 20}}
    on["training"] |= {"evaluate_every": 2, "keep_best": "mixture/kl", "snapshot_every": 3}
    on_all = {entry.name for entry in get_registry().entries() if entry.slot == "observer"}
    assert {o["use"] for o in on["observers"].values()} == on_all, "all that there are"
    train(on, quiet=True)
    sent = (tmp_path / "on/wandb/standin.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["samples"]) for line in sent if "samples" in line] == [2, 2, 2]
    assert list((tmp_path / "on/tensorboard").glob("events*"))
    assert (tmp_path / "on" / "samples" / "step-00000006.png").stat().st_size > 100
    assert tiny.identical(tiny.state(tmp_path / "on")[1], tiny.state(tmp_path / "off")[1])

    def broken(self: Any, *args: Any, **more: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("gentoolkit.components.observers.sampled_pictures.picture", broken)
    assert SamplePictures is not None
    on["run"] = {"name": "failing", "folder": str(tmp_path / "failing")}
    assert train(on, quiet=True).code == 0
    said = capsys.readouterr().err
    assert said.count("observer 'grid' failed in sampled and is switched off: RuntimeError: no ink") == 1
    assert len(json.loads((tmp_path / "failing/wandb/standin.jsonl").read_text().splitlines()[-1])) == 1, "others go on"
    assert tiny.identical(tiny.state(tmp_path / "failing")[1], tiny.state(tmp_path / "off")[1])


def test_n_critic_takes_a_batch_of_its_own_each_time(tmp_path: Path) -> None:
    table = tiny.recipe("ddgan", tmp_path / "run", steps=1)
    table["method"] = {**table["method"], "critic_steps": 3}
    train(table, quiet=True)
    state = tiny.state(tmp_path / "run")[1]
    counts = {name.split("/")[1]: int(v) for name, v in state.items() if name.endswith("/step")}
    assert counts == {"discriminator": 3, "denoiser": 1}


def test_sample_i_depends_on_seed_and_i_alone(tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "run"), quiet=True)
    run = gentoolkit.load(tmp_path / "run")
    many = run.sample(20, seed=3)
    assert many.shape == (20, 2)
    assert torch.equal(run.sample(11, seed=3), many[:11])
    assert not torch.equal(run.sample(11, seed=4), many[:11])
    assert torch.equal(gentoolkit.load(tmp_path / "run").sample(20, seed=3), many)
    assert not torch.equal(gentoolkit.load(tmp_path / "run", weights="raw").sample(20, seed=3), many)


def test_numbers_of_numpy_draw_the_same_samples(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    run = gentoolkit.load(tmp_path / "run")
    assert torch.equal(run.sample(np.int64(5), seed=np.int64(3)), run.sample(5, seed=3))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n": 1.5}, r"the number of samples is a whole number, not 1\.5"),
        ({"n": 0}, "the number of samples is 1 or more, not 0"),
        ({"seed": None}, "a seed is a whole number, not None"),
        ({"seed": 1.0}, r"a seed is a whole number, not 1\.0"),
        ({"seed": -1}, "a seed is 0 or more, not -1"),
        ({"y": "3"}, "y must be a class from 0 to 9, or 2 of them"),
        ({"y": [1.5, 2]}, "y must be a class"),
        ({"y": [None, 1]}, "y must be a class"),
        ({"y": [[1, 2]]}, "y must be a class"),
        ({"y": [[1, 2], 3]}, "y must be a class"),
        ({"y": [1, 10**30]}, "y must be a class"),
        ({"y": []}, "y must be a class"),
    ],
)
def test_what_cannot_be_sampled_is_said(classes: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(GentoolError, match=said):
        gentoolkit.load(classes).sample(**{"n": 2, **arguments})


def test_a_class_may_be_any_whole_number(classes: Path) -> None:
    run = gentoolkit.load(classes)
    wanted = run.sample(2, y=[3, 3])
    for y in (3, np.int64(3), np.array([3, 3]), torch.tensor(3), torch.tensor([3, 3])):
        assert torch.equal(run.sample(2, y=y), wanted)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows ten classes."""
    folder = tmp_path_factory.mktemp("classes") / "run"
    table = tiny.recipe("ddpm", folder, steps=2)
    network = {"use": "unet", "width": 4, "mults": [1]}
    model = {**table["model"], "denoiser": network, "condition": "class"}
    train({**table, "data": "digits", "model": model}, quiet=True)
    return folder


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_without_a_name_is_no_run(path: str) -> None:
    with pytest.raises(GentoolError, match="is no run folder"):
        gentoolkit.load(path)


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "run", steps=2), quiet=True)
    with pytest.raises(GentoolError, match="a device is 'auto', 'cpu' or 'cuda', not 'tpu'"):
        gentoolkit.load(tmp_path / "run", device="tpu")
