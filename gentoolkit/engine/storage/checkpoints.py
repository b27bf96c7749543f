"""Committed checkpoints: a folder counts only once its COMMIT.json, written last, matches every file in it.

torch.distributed.checkpoint writes the tensors and would load a damaged shard without complaint; so the commit holds every
file's size and sha256, the newest commit that verifies is loaded, and a folder is never written twice.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from attrs import frozen
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

from gentoolkit.registry import GentoolError

from ..processes.world import World
from .shards import Reader
from .store import Store
from .whole import digest, write_whole

__all__ = ["COMMIT", "Checkpoint", "committed", "damage", "digest", "found", "load", "newest", "withdraw", "write_whole"]

COMMIT = "COMMIT.json"
WITHDRAWN = "COMMIT.damaged.json"
_FOLDER = re.compile(r"step-(\d{8,})(?:-\d+)?\Z")


@frozen
class Checkpoint:
    """One checkpoint: `step` done steps, in the folder `name` of a store. Its text is where it lies."""

    store: Store
    name: str
    step: int

    def __str__(self) -> str:
        return self.store.shown(self.name)

    @property
    def path(self) -> Path:
        """The folder, where the store is local."""
        if self.store.local is None:
            raise GentoolError(f"{self} is no folder of this machine")
        return self.store.local / self.name

    def commit(self) -> bytes:
        """What its commit file holds."""
        return self.store.read(f"{self.name}/{COMMIT}")


def name_of(step: int, tries: int = 0) -> str:
    """The name of a checkpoint's folder."""
    return f"step-{step:08d}" + (f"-{tries}" if tries else "")


def found(place: str | Path | Store) -> list[Checkpoint]:
    """Every folder that is named like a checkpoint, committed or not, newest first."""
    store = Store.at(place)
    matches = [(name, match) for name in store.folders() if (match := _FOLDER.match(name))]
    return sorted((Checkpoint(store, name, int(match[1])) for name, match in matches), key=_age, reverse=True)


def committed(place: str | Path | Store) -> list[Checkpoint]:
    """Every checkpoint with a commit file, newest first; nothing is verified."""
    return [c for c in found(place) if c.store.has(f"{c.name}/{COMMIT}")]


def _age(checkpoint: Checkpoint) -> tuple[int, int, str]:
    return checkpoint.step, len(checkpoint.name), checkpoint.name


def damage(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a committed checkpoint, or None if every file matches its commit."""
    store = checkpoint.store
    try:
        files = json.loads(checkpoint.commit())["files"]
        there = store.files(checkpoint.name)
        for name, expected in files.items():
            if name not in there:
                return f"{name} is missing"
            whole = there[name] == expected["size"]
            if not whole or store.digest(f"{checkpoint.name}/{name}") != expected["sha256"]:
                return f"{name} was changed after it was committed"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{COMMIT} cannot be read ({error})"
    return None


def newest(place: str | Path | Store) -> tuple[Checkpoint | None, dict[Checkpoint, str]]:
    """(the newest checkpoint that verifies, or None; a sentence for each newer one that does not)."""
    refused: dict[Checkpoint, str] = {}
    for checkpoint in committed(place):
        problem = damage(checkpoint)
        if problem is None:
            return checkpoint, refused
        refused[checkpoint] = f"checkpoint {checkpoint.name} is damaged and was passed over: {problem}"
    return None, refused


def origin(checkpoint: Checkpoint) -> tuple[str, str]:
    """(name, `run_id`) of the run that committed a checkpoint; empty if it does not say or cannot be read."""
    try:
        commit = json.loads(checkpoint.commit())
        return str(commit.get("run", "")), str(commit.get("recipe", ""))
    except (OSError, ValueError, AttributeError):
        return "", ""


def withdraw(checkpoint: Checkpoint) -> None:
    """Take the commit of a damaged checkpoint back, so that it never again counts as one of the newest."""
    try:
        checkpoint.store.rename(f"{checkpoint.name}/{COMMIT}", f"{checkpoint.name}/{WITHDRAWN}", "withdraw")
    except FileNotFoundError:
        return


Place = Callable[[str, torch.Size, torch.dtype], Tensor | None]


def load(
    checkpoint: Checkpoint, world: World, only: str = "", place: Place = lambda *_: None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(the commit, tensors by name) of a committed checkpoint.

    Args:
        checkpoint: which one.
        world: this process; all processes must call it.
        only: names with this prefix are read.
        place: what a tensor is read into, by name, shape and dtype; a whole one on the CPU where that is None.

    Raises:
        GentoolError: the checkpoint cannot be read.
    """
    try:
        reader = Reader(checkpoint.store, checkpoint.name)
        known = reader.read_metadata().state_dict_metadata
        state = {
            name: into
            if (into := place(name, meta.size, meta.properties.dtype)) is not None
            else torch.empty(meta.size, dtype=meta.properties.dtype)
            for name, meta in known.items()
            if name.startswith(only) and hasattr(meta, "properties")
        }
        hush()
        dcp.load(state, storage_reader=reader, no_dist=world.size == 1)
        commit: dict[str, Any] = json.loads(checkpoint.commit())
    except (Exception, CheckpointException) as error:
        raise GentoolError(f"{checkpoint} cannot be loaded: {reason(error)}") from error
    return commit, state


def reason(error: BaseException) -> str:
    """Why a checkpoint could not be written or read: the system's words, found below torch's report of all processes."""
    cause: BaseException | None = error
    if isinstance(error, CheckpointException):
        cause = next((inner for inner, _ in error.failures.values()), error)
    plain = str(cause).partition("\n")[0]
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return plain


def hush() -> None:
    """No remark of torch's that one process saves alone, which is what was asked for, nor of torch 2.9's on its own code."""
    # Not `catch_warnings`, which is no matter of one thread.
    warnings.filterwarnings("ignore", message=".*(single process|no_dist|torch.distributed is|TypedStorage is deprecated).*")
