"""Writing a checkpoint: a fresh folder, every process's shards, then the commit.

All processes take each stage together, over a CPU group of the saves' own: what fails in one of them fails in all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

from gentoolkit.registry import GentoolError

from ..processes.world import World
from .checkpoints import COMMIT, Checkpoint, hush, name_of, reason
from .retention import delete
from .shards import Writer
from .store import Store


class Refused(Exception):
    """What another process could not do."""


def write(
    place: str | Path | Store, step: int, table: Mapping[str, Tensor], world: World, about: Mapping[str, Any], group: Any = None
) -> Checkpoint:
    """Write and commit a checkpoint; every process calls it with the same names.

    Args:
        place: where the run's checkpoints lie.
        step: optimisation steps done.
        table: tensors by name, whole or sharded.
        world: this process.
        about: what else the commit records.
        group: the CPU group of the saves.

    Raises:
        GentoolError: it cannot be written; what there was of it is deleted, to leave room.
    """
    store = Store.at(place)
    name = ""
    try:
        (name, *_) = together(world, group, lambda: make_folder(store, step) if world.first else "")
        writer = Writer(store, name)
        hush()
        dcp.save(dict(table), storage_writer=writer, process_group=group, no_dist=world.size == 1)
        listed = together(world, group, lambda: writer.files.written)
        files = {path.rpartition("/")[2]: about for written in listed for path, about in sorted(written.items())}
        commit = {"step": step, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **about, "files": files}
        text = json.dumps(commit, indent=1)
        together(world, group, lambda: store.write(f"{name}/{COMMIT}", text) if world.first else None)
    except (Exception, CheckpointException) as error:
        free = store.free()  # torch does not always pass on that the disk is full
        if name and world.first:
            delete(Checkpoint(store, name, step))
        room = "" if free is None else f" ({free:,.0f} MiB were free)"
        raise GentoolError(
            f"{store.shown(name or name_of(step))} cannot be written: {reason(error)}{room}; "
            "once it can, the same command goes on from the checkpoint before"
        ) from error
    return Checkpoint(store, name, step)


def make_folder(store: Store, step: int) -> str:
    """A fresh folder for `step`: a name that is taken (by an uncommitted or damaged attempt) is never written again."""
    taken, tries = set(store.folders()), 0
    while name_of(step, tries) in taken:
        tries += 1
    store.make(name_of(step, tries))
    return name_of(step, tries)


def together(world: World, group: Any, act: Callable[[], Any]) -> list[Any]:
    """What every process's `act` returned, by rank.

    Raises:
        Refused: one of them failed.
        Exception: this one did.
    """
    result, failure = None, None
    try:
        result = act()
    except Exception as error:
        failure = error
    if world.size == 1:
        if failure is not None:
            raise failure
        return [result]
    answers: list[Any] = [None] * world.size
    dist.all_gather_object(answers, (result, None if failure is None else reason(failure)), group=group)
    if failure is not None:
        raise failure
    for _, words in answers:
        if words is not None:
            raise Refused(words)
    return [answer for answer, _ in answers]
