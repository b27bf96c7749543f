"""A run's checkpoints from outside: what there is, what of it is sound, and what may go.

for held in gentoolkit.checkpoints("runs/quickstart", verify=True):
    print(held.step, held.state, held.problem)
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path

from attrs import frozen

from gentoolkit import recipe as recipes
from gentoolkit.registry import GentoolError

from ..models.trained import run_folder
from . import folder
from .checkpoints import Checkpoint, damage, found
from .retention import delete, outdated


@frozen
class Held:
    """A checkpoint as it lies there."""

    checkpoint: Checkpoint
    state: str
    """`committed`, `verified` (every file was read and matches), `damaged` or `uncommitted`."""
    size: int
    """Bytes of all files."""
    time: str
    """When it was committed, in the writer's local time; empty if it was not."""
    problem: str = ""

    @property
    def step(self) -> int:
        """Done steps."""
        return self.checkpoint.step

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.checkpoint.name


def checkpoints(run: str | Path, verify: bool = False) -> list[Held]:
    """All checkpoints of a run, newest first.

    Args:
        run: the run folder.
        verify: read every file and compare it with its commit.

    Raises:
        GentoolError: there is no run, or its checkpoints cannot be reached.
    """
    _, recipe = opened(run)
    store = folder.store_of(recipe, Path(run))
    try:
        return [held(checkpoint, verify) for checkpoint in found(store)]
    except OSError as error:
        raise GentoolError(f"the checkpoints in {store} cannot be read: {error.strerror or error}") from error


def held(checkpoint: Checkpoint, verify: bool) -> Held:
    """What is known of one checkpoint."""
    size = sum(checkpoint.store.files(checkpoint.name).values())
    try:
        commit = json.loads(checkpoint.commit())
        when = str(commit.get("time", ""))
    except FileNotFoundError:
        return Held(checkpoint, "uncommitted", size, "")
    except (ValueError, AttributeError):
        return Held(checkpoint, "damaged", size, "", "COMMIT.json cannot be read")
    if not verify:
        return Held(checkpoint, "committed", size, when)
    problem = damage(checkpoint)
    return Held(checkpoint, "damaged" if problem else "verified", size, when, problem or "")


def prune(run: str | Path, keep: int | None = None, dry_run: bool = False) -> list[Held]:
    """Delete what the run's own rules, or `keep`, do not keep; the checkpoints that went, or would go.

    Checkpoints are verified first: a damaged one never counts as one of those that stay.

    Args:
        run: the run folder.
        keep: how many of the newest stay, beside those of `keep_every` and `keep_best`; `training.keep` unless given.
        dry_run: delete nothing.

    Raises:
        GentoolError: there is no run, nothing in it is sound, or a process trains in it.
    """
    if keep is not None and keep < 1:
        raise GentoolError(f"at least one checkpoint is kept, not {keep}")
    where, recipe = opened(run)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(folder.lock(where))
        there = checkpoints(where, verify=True)
        sound = [h.checkpoint for h in there if h.state == "verified"]
        if there and not sound:
            raise GentoolError(f"no checkpoint of {where} is sound; nothing was deleted")
        training = recipe.training
        protected = json.loads(sound[0].commit()).get("protected", ()) if sound else ()
        going = outdated(sound, [h.checkpoint for h in there], keep or training.keep, training.keep_every, protected)
        if not dry_run:
            for checkpoint in going:
                delete(checkpoint)
    return [h for h in there if h.checkpoint in going]


def opened(run: str | Path) -> tuple[Path, recipes.Recipe]:
    """(the folder, the recipe) of a run.

    Raises:
        GentoolError: there is none, or it is an exported model.
    """
    where = run_folder(run)
    loaded = recipes.load(where)
    if loaded.exported is not None:
        raise GentoolError(f"{run} is an exported model, which has no checkpoints")
    return where, loaded.recipe


def age(when: str) -> str:
    """A commit's time as people write it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.strptime(when[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return "-"
