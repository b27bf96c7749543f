"""`gentool ckpt`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gentoolkit
from gentoolkit.engine.storage import checkpoints, folder
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from ..engine import tiny
from .test_commands import gentool


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with checkpoints at 1, ..., 6: 5 is damaged, 6 was never committed."""
    where = tmp_path / "run"
    train(tiny.recipe("ddpm", where, checkpoint_every=1, keep=9, keep_every=2), quiet=True)
    six, five, *_ = checkpoints.committed(where / "checkpoints")
    (six.path / checkpoints.COMMIT).unlink()
    next(five.path.glob("*.distcp")).write_bytes(b"nothing")
    return where


def test_ls_and_verify_name_what_is_there(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gentool(capsys, "ckpt", "ls", str(run))
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [
        ("step-00000006", "uncommitted"),
        *((f"step-0000000{step}", "committed") for step in (5, 4, 3, 2, 1)),
    ]
    assert all(line[2] == "KiB" for line in lines)
    code, out, err = gentool(capsys, "ckpt", "verify", str(run))
    assert (code, err) == (1, "")
    assert "step-00000005" in out and "damaged: __0_0.distcp was changed after it was committed" in out
    assert out.count("verified") == 4


def test_prune_keeps_what_is_sound_and_what_the_rules_keep(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gentool(capsys, "ckpt", "prune", str(run), "--keep", "1", "--dry-run")
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["would", "delete", "step-00000003"],
        ["would", "delete", "step-00000001"],
    ], "2 is a multiple of keep_every, 4 is the newest that is sound; what is newer than that may be under way"
    assert len(gentoolkit.checkpoints(run)) == 6
    with folder.lock(run):
        code, out, err = gentool(capsys, "ckpt", "prune", str(run), "--keep", "1")
    assert code == 2 and "another process is training in" in err
    assert [held.step for held in gentoolkit.prune_checkpoints(run, keep=1)] == [3, 1]
    assert [(h.step, h.state) for h in gentoolkit.checkpoints(run, verify=True)] == [
        (6, "uncommitted"),
        (5, "damaged"),
        (4, "verified"),
        (2, "verified"),
    ]
    for step in (4, 2):
        (run / "checkpoints" / f"step-0000000{step}" / ".metadata").unlink()
    with pytest.raises(GentoolError, match=r"no checkpoint of .* is sound; nothing was deleted"):
        gentoolkit.prune_checkpoints(run)
    assert len(gentoolkit.checkpoints(run)) == 4


def test_what_the_newest_commit_protects_is_never_pruned(tmp_path: Path) -> None:
    where = tmp_path / "run"
    train(tiny.recipe("ddpm", where), quiet=True)
    newest = checkpoints.committed(where / "checkpoints")[0].path / checkpoints.COMMIT
    newest.write_text(json.dumps({**json.loads(newest.read_text()), "protected": [2]}))
    assert [held.step for held in gentoolkit.prune_checkpoints(where, keep=1)] == [4]


def test_rules_of_the_recipe_hold_while_training(tmp_path: Path) -> None:
    where = tmp_path / "run"
    train(tiny.recipe("ddpm", where, steps=12, checkpoint_every=1, keep=2, keep_every=5), quiet=True)
    assert [held.step for held in gentoolkit.checkpoints(where)] == [12, 11, 10, 5]
    told = json.loads(checkpoints.committed(where / "checkpoints")[0].commit())
    assert told["time"][:2] == "20"
