"""Two processes take the steps that one takes; a stop is agreed; second-order gradients are right in every wrapping."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

import gentoolkit
from gentoolkit.engine.guard import Diverged
from gentoolkit.engine.processes.stopping import Stop
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples.results import recorded
from gentoolkit.engine.samples.sampling import draw_chunks
from gentoolkit.engine.storage import checkpoints
from gentoolkit.engine.train import train

from . import tiny
from .groups import worked
from .poison import poisoned


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that one group of two gloo processes has worked in."""

    def prepare(folder: Path) -> None:
        train(tiny.recipe("ddgan", folder / "resumed", precision="fp64", steps=4), quiet=True)
        train(tiny.recipe("cvae", folder / "source", precision="fp64"), quiet=True)

    return worked(tmp_path_factory, "worker.py", 2, prepare, 240)


@pytest.mark.parametrize("method", tiny.METHODS)
def test_one_and_two_processes_take_the_same_steps(group: Path, tmp_path: Path, method: str) -> None:
    train(tiny.recipe(method, tmp_path / "one", precision="fp64"), quiet=True)
    step, alone = tiny.state(tmp_path / "one")
    for folder in (f"{method}-2", f"{method}-2-micro"):
        other_step, together = tiny.state(group / folder)
        assert (step, other_step) == (6, 6)
        assert tiny.largest_difference(together, alone) < 1e-12


def test_compiled_losses_run_inside_shells_and_not_on_shards(group: Path, tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "one", precision="fp64"), quiet=True)
    assert tiny.largest_difference(tiny.state(group / "compiled")[1], tiny.state(tmp_path / "one")[1]) < 1e-12
    (start,) = json.loads((group / "compiled" / "environment.json").read_text())
    assert len(start["programs"]) == 3
    assert all(p["compiled"] for p in start["programs"].values())
    (start,) = json.loads((group / "compiled-fsdp" / "environment.json").read_text())
    assert start["programs"]["denoiser (simple)"]["reason"] == "its weights lie in shards"
    assert tiny.state(group / "compiled-fsdp")[0] == 2


def test_a_run_goes_on_with_another_number_of_processes(group: Path, tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "one", precision="fp64"), quiet=True)
    assert tiny.state(group / "resumed")[0] == 6
    assert tiny.largest_difference(tiny.state(group / "resumed")[1], tiny.state(tmp_path / "one")[1]) < 1e-12


def test_a_fine_tuned_run_with_several_averages_and_its_snapshot(group: Path, tmp_path: Path) -> None:
    train(tiny.tuned(tmp_path / "one", group / "source"), quiet=True)
    alone = tiny.state(tmp_path / "one")[1]
    assert any(key.startswith("ema.power/denoiser/") for key in alone)
    for run in ("tuned", "tuned-fsdp"):
        together = tiny.state(group / run)[1]
        assert tiny.largest_difference(together, alone) < 1e-12
        snapshot = gentoolkit.load(group / run / "snapshots" / "step-00000006")
        for name, value in snapshot.model.state_dict().items():
            assert torch.equal(value, together[f"ema/denoiser/{name}"])


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("method", ["ddgan", "cvae", "ddpm"])
def test_a_run_of_several_processes_that_was_broken_off_ends_as_one_that_was_not(
    group: Path, method: str, parallel: str
) -> None:
    (_, straight), (_, broken) = (tiny.state(group / f"{method}-{parallel}-{how}") for how in ("straight", "broken"))
    assert tiny.identical(straight, broken)


@pytest.mark.parametrize("method", ["ddgan", "cvae", "ddpm"])
def test_weights_in_shards_take_the_same_steps(group: Path, tmp_path: Path, method: str) -> None:
    train(tiny.recipe(method, tmp_path / "one", precision="fp64"), quiet=True)
    assert tiny.largest_difference(tiny.state(group / f"{method}-2-fsdp")[1], tiny.state(tmp_path / "one")[1]) < 1e-12


def test_a_run_may_change_its_parallelism_at_a_checkpoint(group: Path, tmp_path: Path) -> None:
    train(tiny.recipe("ddgan", tmp_path / "one", precision="fp64"), quiet=True)
    step, changed = tiny.state(group / "changed")
    assert step == 6
    assert tiny.largest_difference(changed, tiny.state(tmp_path / "one")[1]) < 1e-12


def test_a_signal_to_one_process_stops_both_after_a_committed_step(group: Path) -> None:
    said, why = (group / "stopped.txt").read_text().split()
    step = int(said)
    assert why == "SIGTERM"
    assert 0 < step < 100_000
    assert tiny.state(group / "stopped")[0] == step


def test_a_stop_file_seen_by_one_process_stops_both_after_a_committed_step(group: Path) -> None:
    assert 0 < tiny.state(group / "filed")[0] < 100_000


@pytest.mark.parametrize("how", ["stop", "skip", "rewind"])
def test_what_is_not_finite_on_one_process_changes_nothing_on_any(group: Path, tmp_path: Path, how: str) -> None:
    with poisoned("ddgan-lecam", "denoiser", lambda key: key[2] == 3 and len(key) == 5):
        table = tiny.recipe("ddgan-lecam", tmp_path / "one", precision="fp64", non_finite=how, log_every=2)
        with pytest.raises(Diverged) if how == "stop" else nullcontext():
            train(table, quiet=True, deep=False)
    if how != "skip":
        found = [checkpoints.committed(run / "dumps")[0] for run in (tmp_path / "one", group / f"bad-{how}")]
        assert [dump.step for dump in found] == [3, 3]
        alone, together = (checkpoints.load(dump, World(0, 1, torch.device("cpu"))) for dump in found)
        assert tiny.largest_difference(together[1], alone[1]) < 1e-12
        broken = ["denoiser/adversarial", "denoiser/grad_norm"]
        assert alone[0]["failed"] == {"update": "denoiser", "repeat": 0, "not_finite": [broken]}
        assert together[0]["failed"]["not_finite"] == [broken[1:], broken]
    if how != "stop":
        assert tiny.largest_difference(tiny.state(group / f"bad-{how}")[1], tiny.state(tmp_path / "one")[1]) < 1e-12


def test_second_order_gradients_are_averaged_inside_the_shell_and_not_without(group: Path) -> None:
    seen = torch.load(group / "second_order.pt")
    for wrapped, whole in zip(seen["wrapped"], seen["whole"], strict=True):
        torch.testing.assert_close(wrapped, whole, rtol=1e-12, atol=1e-14)
    assert seen["bare_differs"] > 1e-3


def test_two_processes_draw_and_measure_what_one_does(group: Path, tmp_path: Path) -> None:
    """Samples, pictures of a run and metrics, dealt over two processes in five, four and six chunks: to the last bit.

    The model is the one that the two trained, so that the draws alone are compared.
    """
    run = group / "shared"
    alone = gentoolkit.load(run)
    assert np.array_equal(np.load(run / "samples.npz")["samples"], alone.sample(45, seed=3).numpy())
    kept = torch.load(run / "pictures.pt")
    model, facts = alone.model, alone.facts
    last = torch.cat([x for _, x in draw_chunks(model, alone.sampler, facts, 21, 0, 6)])  # a quarter of 21 and more
    assert torch.equal(kept[-1], last)
    assert [len(x) for x in kept] == [21, 21, 21]
    chunks, values = torch.load(run / "seen.pt")
    here = World(0, 1, torch.device("cpu"))
    expected, _ = tiny.chunks_seen(alone, here, Stop(here))
    assert values == {"many": {"samples": 43}, "few": {"samples": 9}}
    for two_saw, one_saw in zip(chunks, expected, strict=True):
        assert len(two_saw) == len(one_saw)
        assert all(map(torch.equal, two_saw, one_saw)), "in the order of chunks"
    *while_training, two = recorded(run / "results.jsonl")
    assert [(r.step, r.metric) for r in while_training] == [(3, "mixture"), (3, "few"), (6, "mixture"), (6, "few")]
    assert [c.step for c in checkpoints.committed(run / "checkpoints")] == [6, 3], "no sample is good: the first is the best"
    assert while_training[2:] == gentoolkit.evaluate(run)
    (one,) = gentoolkit.evaluate(run, ["mixture"], seed=1)
    assert one == two


def test_a_disk_that_is_full_for_one_process_ends_all_with_the_last_commit_intact(group: Path) -> None:
    told = json.loads((group / "full.json").read_text())
    assert len(told) == 2
    for words in told:
        assert "cannot be written: No space left on device" in words
    assert tiny.state(group / "full")[0] == 4, "each process writes one shard per checkpoint; the third fails"
    names = sorted(path.name for path in (group / "full" / "checkpoints").iterdir())
    assert names == ["step-00000002", "step-00000004"]
