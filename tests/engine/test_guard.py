"""Gradients that are not finite: nothing that learns is touched by them, whatever the run does then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from gentoolkit.engine.guard import Diverged
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints, journal
from gentoolkit.engine.train import train

from . import tiny
from .poison import poisoned

ALONE = World(0, 1, torch.device("cpu"))


def fourth(key: tuple[Any, ...]) -> bool:
    """In the fourth step, however often it is drawn."""
    return bool(key[2] == 3)


def fourth_at_first(key: tuple[Any, ...]) -> bool:
    """In the fourth step, unless it is drawn anew."""
    return bool(key[2] == 3 and len(key) == 5)


def dump(run: Path, step: int) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """(commit, tensors) of a run's only dump."""
    (found,) = checkpoints.committed(run / "dumps")
    assert found.step == step
    assert checkpoints.damage(found) is None
    return checkpoints.load(found, ALONE)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of 3, 4 and 6 sound steps of ddgan with running averages, by their number."""
    folder = tmp_path_factory.mktemp("straight")
    for steps in (3, 4, 6):
        train(tiny.recipe("ddgan-lecam", folder / str(steps), steps=steps), quiet=True)
    return folder


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_what_is_dumped_is_the_state_before_the_failing_step(tmp_path: Path, straight: Path, backward: bool) -> None:
    run = tmp_path / "run"
    with (
        poisoned("ddgan-lecam", "discriminator", fourth, backward),
        pytest.raises(
            Diverged, match=r"not finite in step 4 \(update discriminator: .*gentool replay .*run --step 4"
        ) as caught,
    ):
        train(tiny.recipe("ddgan-lecam", run, log_every=6, checkpoint_every=100), quiet=True, deep=False)
    assert caught.value.exit_code == 70
    commit, table = dump(run, 3)
    assert tiny.identical(table, tiny.state(straight / "3")[1]), "nets, averages, optimizers, running averages"
    broken = ["discriminator/grad_norm"] if backward else ["discriminator/adversarial", "discriminator/grad_norm"]
    assert commit["failed"] == {"update": "discriminator", "repeat": 0, "not_finite": [broken]}
    assert checkpoints.committed(run / "checkpoints") == []


def test_skip_leaves_out_one_update_and_all_that_follows_its_net(
    tmp_path: Path, straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(folder: str, steps: int) -> Path:
        recipe = tiny.recipe("ddgan-lecam", tmp_path / folder, steps=steps, non_finite="skip", log_every=2)
        with poisoned("ddgan-lecam", "denoiser", fourth) as keys:
            assert train(recipe, quiet=True, deep=False).code == 0
        assert len(keys) == (1 if steps == 4 else folder == "straight")
        return tmp_path / folder

    _, table = tiny.state(run("resumed", 4))
    before, sound = (tiny.state(straight / steps)[1] for steps in ("3", "4"))
    for name, value in table.items():
        untouched = name.startswith(("net/denoiser", "ema", "optimizer/denoiser"))
        assert torch.equal(value, (before if untouched else sound)[name]), name
    said = capsys.readouterr().err
    assert "warning: a gradient was not finite in step 4 (update denoiser: denoiser/adversarial" in said
    assert "was left out (1 of at most 10)" in said

    run("resumed", 6)
    assert tiny.identical(tiny.state(run("straight", 6))[1], tiny.state(tmp_path / "resumed")[1])
    assert [line.get("skipped") for line in journal.read(tmp_path / "resumed" / "metrics.jsonl")] == [None, 1.0, 1.0]
    assert not (tmp_path / "resumed" / "dumps").exists()


def test_running_averages_are_not_touched_by_an_update_that_is_left_out(tmp_path: Path, straight: Path) -> None:
    with poisoned("ddgan-lecam", "discriminator", fourth):
        train(tiny.recipe("ddgan-lecam", tmp_path / "run", steps=4, non_finite="skip"), quiet=True, deep=False)
    before, after = tiny.state(straight / "3")[1], tiny.state(tmp_path / "run")[1]
    running = [name for name in after if name.startswith("running/")]
    assert running
    for name in running:
        assert torch.equal(after[name], before[name]), name


def test_only_so_many_updates_are_left_out(tmp_path: Path) -> None:
    recipe = tiny.recipe("ddpm", tmp_path / "run", non_finite="skip", max_non_finite=2, log_every=6, checkpoint_every=100)
    with (
        poisoned("ddpm", "denoiser", lambda key: key[2] > 1),
        pytest.raises(Diverged, match=r"once more than training.max_non_finite = 2 allows, in step 3 "),
    ):
        train(recipe, quiet=True, deep=False)


def test_rewind_goes_on_from_the_newest_checkpoint_with_other_draws(
    tmp_path: Path, straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(folder: str, steps: int = 6) -> dict[str, torch.Tensor]:
        recipe = tiny.recipe("ddgan-lecam", tmp_path / folder, steps=steps, non_finite="rewind")
        with poisoned("ddgan-lecam", "denoiser", fourth_at_first):
            assert train(recipe, quiet=True, deep=False).code == 0
        return tiny.state(tmp_path / folder)[1]

    once = run("once")
    assert "going back to the newest checkpoint" in capsys.readouterr().err
    assert tiny.identical(once, run("again"))
    run("resumed", 4)
    assert tiny.identical(once, run("resumed"))
    sound = tiny.state(straight / "6")[1]
    assert not any(torch.equal(once[name], sound[name]) for name in once if name.startswith("net/"))
    assert dump(tmp_path / "once", 3)[0]["failed"]["update"] == "denoiser"
    lines = journal.read(tmp_path / "once" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    found = {c.step: json.loads(c.commit())["not_finite"] for c in checkpoints.committed(tmp_path / "once" / "checkpoints")}
    assert found[2] == {"skipped": 0, "redrawn": []}
    assert found[4] == found[6] == {"skipped": 0, "redrawn": [[2, 3]]}


def test_a_first_step_that_fails_is_rewound_to_the_weights_of_the_start(tmp_path: Path) -> None:
    def first(key: tuple[Any, ...]) -> bool:
        return bool(key[2] == 0 and len(key) == 5)

    with poisoned("ddpm", "denoiser", first):
        assert train(tiny.recipe("ddpm", tmp_path / "run", non_finite="rewind"), quiet=True, deep=False).code == 0
    assert tiny.state(tmp_path / "run")[0] == 6


def test_only_so_many_rewinds_are_taken(tmp_path: Path) -> None:
    recipe = tiny.recipe("ddpm", tmp_path / "run", non_finite="rewind", max_non_finite=2)
    with poisoned("ddpm", "denoiser", fourth) as keys, pytest.raises(Diverged, match="again after 2 rewinds in step 4"):
        train(recipe, quiet=True, deep=False)
    assert [key[5:] for key in keys] == [(), ("again", 1), ("again", 2)]


def test_buffers_of_nets_are_not_touched_by_a_bad_step() -> None:
    from gentoolkit.engine.players import keep

    buffers = [torch.tensor([1.0, torch.nan]), torch.tensor(3)]
    keep(buffers, [torch.zeros(2), torch.tensor(1)], torch.tensor(True))
    assert torch.equal(buffers[0], torch.zeros(2))
    assert buffers[1] == 1
    keep(buffers, [torch.ones(2), torch.tensor(2)], torch.tensor(False))
    assert torch.equal(buffers[0], torch.zeros(2))
    assert buffers[1] == 1
