"""Committed checkpoints: a folder counts only once its COMMIT.json, written last, matches every file in it.

torch.distributed.checkpoint writes the tensors and would load a damaged shard without complaint; so the commit holds every
file's size and sha256, the newest commit that verifies is loaded, and a folder is never written twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

from gentoolkit.registry import GentoolError

from .world import World

COMMIT = "COMMIT.json"
WITHDRAWN = "COMMIT.damaged.json"
_FOLDER = re.compile(r"step-(\d{8,})(?:-\d+)?\Z")


def committed(folder: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint with a commit file, newest first; nothing is verified."""
    found = []
    for path in folder.glob("step-*"):
        if (match := _FOLDER.match(path.name)) and (path / COMMIT).is_file():
            found.append((int(match[1]), path))
    return sorted(found, reverse=True)


def damage(path: Path) -> str | None:
    """What is wrong with a committed checkpoint, or None if every file matches its commit."""
    try:
        commit = json.loads((path / COMMIT).read_text())
        files = commit["files"]
        for name, expected in files.items():
            file = path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != expected["size"] or digest(file) != expected["sha256"]:
                return f"{name} was changed after it was committed"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{COMMIT} cannot be read ({error})"
    return None


def newest(folder: Path) -> tuple[Path | None, dict[Path, str]]:
    """(the newest checkpoint that verifies, or None; a sentence for each newer one that does not)."""
    refused: dict[Path, str] = {}
    for _, path in committed(folder):
        problem = damage(path)
        if problem is None:
            return path, refused
        refused[path] = f"checkpoint {path.name} is damaged and was passed over: {problem}"
    return None, refused


def withdraw(path: Path) -> None:
    """Take the commit of a damaged checkpoint back, so that it never again counts as one of the newest."""
    with contextlib.suppress(FileNotFoundError):
        (path / COMMIT).replace(path / WITHDRAWN)


def digest(file: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def save(folder: Path, step: int, state: dict[str, Tensor], world: World, about: dict[str, Any]) -> Path:
    """Write and commit a checkpoint; every process calls it with the same names.

    Args:
        folder: the run's `checkpoints`.
        step: optimisation steps done.
        state: tensors by name.
        world: this process.
        about: what else the commit records.

    Raises:
        GentoolError: it cannot be written; what there was of it is deleted, to leave room.
    """
    path = world_agreed_folder(folder, step, world)
    try:
        with quiet():
            dcp.save(state, checkpoint_id=str(path), no_dist=world.size == 1)
        if world.first:
            files = {f.name: {"size": f.stat().st_size, "sha256": digest(f)} for f in sorted(path.iterdir()) if f.is_file()}
            write_whole(path / COMMIT, json.dumps({"step": step, **about, "files": files}, indent=1))
    except (OSError, CheckpointException) as error:
        free = shutil.disk_usage(folder).free / 2**20  # torch does not always pass on that the disk is full
        if world.first:
            shutil.rmtree(path, ignore_errors=True)
        raise GentoolError(
            f"{path} cannot be written: {reason(error)} ({free:,.0f} MiB were free); "
            "once it can, the same command goes on from the checkpoint before"
        ) from error
    world.barrier()
    return path


def reason(error: BaseException) -> str:
    """Why a checkpoint could not be written or read: the system's words, found below torch's report of all processes."""
    found: BaseException | None = error
    if isinstance(error, CheckpointException):
        found = next((inner for inner, _ in error.failures.values()), error)
    plain = str(found).partition("\n")[0]
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return plain


def world_agreed_folder(folder: Path, step: int, world: World) -> Path:
    """A fresh folder for `step`: a name that is taken (by an uncommitted or damaged attempt) is never written again."""
    tries = 0
    if world.first:
        while (folder / _name(step, tries)).exists():
            tries += 1
        (folder / _name(step, tries)).mkdir(parents=True)
    tries = world.agree(tries)
    return folder / _name(step, tries)


def _name(step: int, tries: int) -> str:
    return f"step-{step:08d}" + (f"-{tries}" if tries else "")


def load(path: Path, world: World, only: str = "") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(the commit, tensors by name) of a committed checkpoint; `only` keeps names with that prefix.

    Raises:
        GentoolError: the checkpoint cannot be read.
    """
    try:
        reader = dcp.FileSystemReader(str(path))
        found = reader.read_metadata().state_dict_metadata
        state = {
            name: torch.empty(meta.size, dtype=meta.properties.dtype)
            for name, meta in found.items()
            if name.startswith(only) and hasattr(meta, "properties")
        }
        with quiet():
            dcp.load(state, storage_reader=reader, no_dist=world.size == 1)
        commit: dict[str, Any] = json.loads((path / COMMIT).read_text())
    except (Exception, CheckpointException) as error:
        raise GentoolError(f"{path} cannot be loaded: {reason(error)}") from error
    return commit, state


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` committed checkpoints, and whatever older was never committed."""
    kept = committed(folder)[:keep]
    if not kept:
        return
    oldest = kept[-1][0]
    for path in folder.glob("step-*"):
        match = _FOLDER.match(path.name)
        if match and path not in [p for _, p in kept] and int(match[1]) <= oldest:
            with contextlib.suppress(FileNotFoundError):
                (path / COMMIT).unlink()  # first, so that a half-deleted folder never counts
            shutil.rmtree(path, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there in full or not at all, also after a crash."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def quiet() -> Any:
    """Without torch's remark that one process saves alone, which is what was asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(single process|no_dist|torch.distributed is).*")
        yield
