"""Checkpoints wherever fsspec reaches: damage to any file is noticed, and a run lives on from there as from its folder."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

import gentoolkit
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints
from gentoolkit.engine.storage.checkpoints import COMMIT
from gentoolkit.engine.storage.store import Store
from gentoolkit.engine.storage.writing import write
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny

HERE = World(0, 1, torch.device("cpu"))


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "checkpoints" if request.param == "local" else f"memory://{tmp_path.name}")


def table(seed: float) -> dict[str, torch.Tensor]:
    """Something to save."""
    return {"a": torch.full((3, 5), seed), "b": torch.tensor(seed)}


def test_what_is_written_is_what_is_loaded(store: Store) -> None:
    store.reach()
    saved = write(store, 7, table(1.5), HERE, {"optimizers": {"denoiser": "adam"}})
    assert (saved.name, saved.step) == ("step-00000007", 7)
    commit, loaded = checkpoints.load(saved, HERE)
    assert (commit["step"], commit["optimizers"]) == (7, {"denoiser": "adam"})
    assert tiny.identical(loaded, table(1.5))
    assert set(checkpoints.load(saved, HERE, only="b")[1]) == {"b"}
    files = store.files(saved.name)
    assert set(commit["files"]) == set(files) - {COMMIT} >= {".metadata", "__0_0.distcp"}
    for name, about in commit["files"].items():
        assert about == {"size": files[name], "sha256": store.digest(f"{saved.name}/{name}")}


def test_damage_to_any_file_is_noticed_and_the_one_before_taken(store: Store) -> None:
    store.reach()
    before = write(store, 1, table(1), HERE, {})
    names = [*store.files(before.name)]
    assert len(names) == 3
    for step, name in enumerate(names, 2):
        for tries, way in enumerate(("flip", "truncate", "delete")):
            newest = write(store, step, table(step), HERE, {})
            assert newest.name == checkpoints.name_of(step, tries), "a name is never written twice"
            assert checkpoints.newest(store) == (newest, {})
            path = store.path(f"{newest.name}/{name}")
            data = bytearray(store.fs.cat_file(path))
            if way == "delete":
                store.fs.rm_file(path)
            else:
                data[len(data) // 2] ^= 0x40
                store.fs.pipe_file(path, bytes(data[:-1] if way == "truncate" else data))
            found, refused = checkpoints.newest(store)
            assert found == before, (name, way)
            assert (newest in refused) == ((name, way) != (COMMIT, "delete")), "without a commit it is none"
            if refused:
                assert f"checkpoint {newest.name} is damaged and was passed over" in refused[newest]
                checkpoints.withdraw(newest)
            assert checkpoints.newest(store) == (before, {})


class Call:
    """A pickle that has a function called where it is read."""

    def __init__(self, act: Callable[..., Any], *arguments: Any) -> None:
        self.act, self.arguments = act, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.act, self.arguments


def test_a_strangers_checkpoint_runs_nothing_where_it_is_loaded(store: Store, tmp_path: Path) -> None:
    store.reach()
    saved = write(store, 1, table(1), HERE, {})
    index = saved.store.read(f"{saved.name}/.metadata")
    ran = tmp_path / "ran"
    whole = pickle.loads(index)
    whole.planner_data = Call(os.system, f"touch '{ran}'")
    payloads = {
        "posix.system": pickle.dumps(whole),
        "posix.mkdir": pickle.dumps(Call(os.mkdir, str(ran))),
        "builtins.getattr": pickle.dumps(Call(getattr, torch.Size, "__class__")),
        "torch.serialization.load": pickle.dumps(Call(torch.load, str(ran))),
        "holds a list": pickle.dumps([1]),
    }
    for said, payload in payloads.items():
        store.fs.pipe_file(store.path(f"{saved.name}/.metadata"), payload)
        with pytest.raises(GentoolError, match=f"step-00000001 cannot be loaded: its .metadata .*{said}"):
            checkpoints.load(saved, HERE)
    assert not ran.exists()
    store.fs.pipe_file(store.path(f"{saved.name}/.metadata"), index)
    assert tiny.identical(checkpoints.load(saved, HERE)[1], table(1))


def test_a_run_whose_checkpoints_lie_elsewhere_ends_with_the_same_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(name: str, **training: int) -> dict[str, object]:
        made = tiny.recipe("ddgan", tmp_path / name, keep=2, **training)
        made["run"]["checkpoints"] = f"memory://{tmp_path.name}/runs"
        return made

    train(tiny.recipe("ddgan", tmp_path / "straight"), quiet=True)
    train(recipe("away", steps=3), quiet=True)
    assert "are gone when this process ends" in capsys.readouterr().err
    assert not (tmp_path / "away" / "checkpoints").exists()
    store = Store(f"memory://{tmp_path.name}/runs")
    assert [c.step for c in checkpoints.committed(store)] == [3, 2]
    shutil.rmtree(tmp_path / "away")  # the machine is lost; its checkpoints are not
    with pytest.raises(GentoolError, match="holds checkpoints of another recipe"):
        train(recipe("away", batch_size=16), quiet=True)
    other = recipe("other")
    other["run"]["name"] = "other"
    with pytest.raises(GentoolError, match="holds checkpoints of another run"):
        train(other, quiet=True)
    assert train(recipe("away", steps=6), allow_change=True, quiet=True).start == 3
    assert [c.step for c in checkpoints.committed(store)] == [6, 4]
    _, away = checkpoints.load(checkpoints.committed(store)[0], HERE)
    assert tiny.identical(away, tiny.state(tmp_path / "straight")[1])
    run, straight = gentoolkit.load(tmp_path / "away"), gentoolkit.load(tmp_path / "straight")
    assert str(run.checkpoint) == f"memory://{tmp_path.name}/runs/step-00000006"
    assert torch.equal(run.sample(4), straight.sample(4))
    shard = store.path("step-00000006/__0_0.distcp")
    store.fs.pipe_file(shard, store.fs.cat_file(shard)[:-1])
    assert [(h.step, h.state) for h in gentoolkit.checkpoints(tmp_path / "away", verify=True)] == [
        (6, "damaged"),
        (4, "verified"),
    ]
    assert gentoolkit.load(tmp_path / "away").step == 4
    gone = gentoolkit.prune_checkpoints(tmp_path / "away", keep=1)
    assert gone == []
    assert [held.step for held in gentoolkit.checkpoints(tmp_path / "away")] == [6, 4]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere://bucket/run", "Protocol not known"),
        ("s3://bucket/run", "s3fs"),
        ("ftp://user:hunter2@host/run", "a password in a URL would be written into run folders"),
    ],
)
def test_a_place_that_cannot_be_reached_is_told_before_anything_is_trained(tmp_path: Path, place: str, words: str) -> None:
    made = tiny.recipe("ddpm", tmp_path / "run")
    made["run"]["checkpoints"] = place
    with pytest.raises(GentoolError, match=words) as caught:
        train(made, quiet=True)
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shut(fsspec.implementations.memory.MemoryFileSystem):
        protocol = "shut"

        def pipe_file(self, path: str, value: bytes, **kwargs: object) -> None:
            raise PermissionError(13, "Access Denied")

    fsspec.register_implementation("shut", Shut, clobber=True)
    made = tiny.recipe("ddpm", tmp_path / "run")
    made["run"]["checkpoints"] = "shut://bucket/run"
    with pytest.raises(GentoolError, match=r"checkpoints cannot be written to shut://bucket/run: Access Denied"):
        train(made, quiet=True)
    assert not (tmp_path / "run" / "recipe.toml").exists()


def test_a_recipe_over_another_does_not_write_into_its_checkpoints(tmp_path: Path) -> None:
    made = tiny.recipe("ddpm", tmp_path / "run", steps=2)
    made["run"]["checkpoints"] = str(tmp_path / "kept")
    train(made, quiet=True)
    assert [c.step for c in checkpoints.committed(tmp_path / "kept")] == [2]
    (tmp_path / "over.toml").write_text(f'extends = "{tmp_path / "run" / "recipe.toml"}"\n')
    loaded = gentoolkit.recipe.load(tmp_path / "over.toml")
    assert (loaded.recipe.run.folder, loaded.recipe.run.checkpoints) == (None, None)
    assert json.loads(checkpoints.committed(tmp_path / "kept")[0].commit())["recipe"]
