"""Four processes take the steps that one takes, gradients of gradients among them, in whatever way they share the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import gentoolkit
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints
from gentoolkit.engine.train import train

from . import tiny
from .groups import worked

KINDS = ("ddp", "fsdp", "hsdp:2x2")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that one group of four gloo processes has worked in."""

    def prepare(folder: Path) -> None:
        train(tiny.recipe("ddgan", folder / "changed", precision="fp64", steps=2), quiet=True)

    return worked(tmp_path_factory, "parallel_worker.py", 4, prepare, 280)


@pytest.fixture(scope="module")
def found(four: Path) -> dict[str, Any]:
    """What the processes computed without a recipe."""
    table: dict[str, Any] = torch.load(four / "found.pt")
    return table


@pytest.mark.parametrize("what", ["second order", "two nets"])
def test_gradients_of_gradients_are_those_of_one_process_in_every_wrapping(found: dict[str, Any], what: str) -> None:
    assert len(found[what]) == {"second order": 36, "two nets": 6}[what]
    assert {case: apart for case, apart in found[what].items() if not apart < 1e-12} == {}


def test_why_losses_run_inside_shells_and_blocks_keep_their_weights(found: dict[str, Any]) -> None:
    """A sharded net has freed its weights when the second derivative asks for them."""
    for said in found["without care"].values():
        assert "storage" in said or "not allocated" in said or "setStorage" in said


def test_a_norm_over_shards_is_that_of_the_whole_and_clips_as_it_does(found: dict[str, Any]) -> None:
    for norm, whole, left in found["norms"].values():
        assert norm == pytest.approx(whole, rel=1e-14)
        assert left < 1e-15


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_are_the_first_processs_after_an_update(found: dict[str, Any], kind: str) -> None:
    *seen, expected = found["buffers"][kind]
    assert len(seen) == 4
    assert all(torch.equal(one, seen[0]) for one in seen)
    torch.testing.assert_close(seen[0], expected)


def test_losses_in_shards_are_not_compiled_and_that_is_recorded(four: Path) -> None:
    (start,) = json.loads((four / "watched" / "environment.json").read_text())
    assert len(start["programs"]) == 3
    assert all(verdict["reason"] == "its weights lie in shards" for verdict in start["programs"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_four_processes_take_the_steps_of_one(four: Path, tmp_path: Path, kind: str) -> None:
    train(tiny.recipe("ddgan", tmp_path / "one", precision="fp64", clip=0.5), quiet=True)
    (step, alone), (other_step, together) = tiny.state(tmp_path / "one"), tiny.state(four / f"ddgan-{kind}")
    assert step == other_step == 6
    assert tiny.largest_difference(together, alone) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_network_freezes_stays_frozen_and_the_rest_descends_together(four: Path, tmp_path: Path, kind: str) -> None:
    with tiny.freezing():
        train(tiny.partly_frozen(tmp_path / "one"), quiet=True)
        train(tiny.partly_frozen(tmp_path / "short", steps=1), quiet=True)
    (_, alone), (_, together), (_, short) = (
        tiny.state(run) for run in (tmp_path / "one", four / f"frozen-{kind}", tmp_path / "short")
    )
    assert tiny.largest_difference(together, alone) < 1e-12
    changed = {name for name, value in alone.items() if name.startswith("net/") and not torch.equal(value, short[name])}
    unchanged = {name for name in alone if name.startswith("net/")} - changed
    assert unchanged == {f"net/denoiser/denoiser.net.first.{kind}" for kind in ("weight", "bias")}
    assert not any(name.startswith("optimizer/") and ".first." in name and "denoiser.denoiser" in name for name in alone)


def test_replicas_of_shards_that_were_broken_off_end_as_those_that_were_not(four: Path) -> None:
    (_, straight), (_, broken) = (tiny.state(four / f"hsdp-{how}") for how in ("straight", "broken"))
    assert tiny.identical(straight, broken)


def test_a_checkpoint_fits_any_number_of_processes_and_any_parallelism(four: Path, tmp_path: Path) -> None:
    """One process, hsdp, fsdp, ddp and fsdp on four, one process again."""
    train(tiny.recipe("ddgan", four / "changed", precision="fp64", parallel="none", steps=8), quiet=True)
    train(tiny.recipe("ddgan", tmp_path / "one", precision="fp64", steps=8), quiet=True)
    assert tiny.largest_difference(tiny.state(four / "changed")[1], tiny.state(tmp_path / "one")[1]) < 1e-12


@pytest.mark.parametrize("denoiser", tiny.BLOCKS)
def test_networks_cut_into_blocks_take_the_steps_of_whole_ones(four: Path, tmp_path: Path, denoiser: str) -> None:
    train(tiny.pictures(denoiser, tmp_path / "one"), quiet=True)
    (_, alone), (_, together) = tiny.state(tmp_path / "one"), tiny.state(four / denoiser)
    assert tiny.largest_difference(together, alone) < 1e-11


def test_pictures_and_snapshots_of_a_run_in_shards_are_of_its_average(four: Path) -> None:
    pictures = torch.load(four / "pictures.pt")
    run = gentoolkit.load(four / "watched")
    assert [len(x) for x in pictures] == [21, 21, 2000], "with that of the snapshot"
    assert torch.equal(pictures[-1][:21], run.sample(21))
    snapshot = gentoolkit.load(four / "watched" / "snapshots" / "step-00000006")
    assert torch.equal(snapshot.sample(5), run.sample(5))


def test_a_loss_that_one_process_finds_not_finite_ends_the_run_on_all(four: Path) -> None:
    said = [(four / "poisoned" / f"poisoned-{rank}.txt").read_text() for rank in range(4)]
    assert all(text.startswith("Diverged: ") for text in said)
    kept, _ = checkpoints.newest(four / "poisoned" / "dumps")
    assert kept is not None
    _, table = checkpoints.load(kept, World(0, 1, torch.device("cpu")))
    step, before = tiny.state(four / "three")
    assert step == 3
    assert tiny.identical(table, before), "weights, averages and optimizers are those before the step that failed"
