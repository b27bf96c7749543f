"""A run folder: everything that is needed to run it again, resume it, sample from it and compare it.

recipe.toml      resolved: every value, versions pinned, origins as comments; itself a recipe
environment.json versions, machine, command line of each start
data.json        number of items, fingerprint, class counts
metrics.jsonl    the log
checkpoints/     step-00001000/ with COMMIT.json
local/           copies of [local] modules
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from gentoolkit.registry import GentoolError

from .checkpoints import write_whole

RECIPE, ENVIRONMENT, DATA, METRICS, CHECKPOINTS = (
    "recipe.toml",
    "environment.json",
    "data.json",
    "metrics.jsonl",
    "checkpoints",
)


def make(folder: Path) -> None:
    """Create a run folder.

    Raises:
        GentoolError: the folder cannot be written.
    """
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise GentoolError(
            f"the run folder {folder} cannot be written: {error.strerror}; choose another with run.folder"
        ) from error


def lock(folder: Path) -> IO[str]:
    """Hold the folder for this process; keep the returned file open.

    Raises:
        GentoolError: another process trains in it.
    """
    file = (folder / ".lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise GentoolError(f"another process is training in {folder}; wait for it, or choose another run.name") from error
    return file


def record_start(folder: Path, started_at: int, world_size: int, device: str) -> None:
    """Append this start to `environment.json`."""
    path = folder / ENVIRONMENT
    starts: list[dict[str, Any]] = []
    if path.exists():
        try:
            starts = json.loads(path.read_text())
        except ValueError:
            starts = []
    starts.append(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": sys.argv,
            "from_step": started_at,
            "processes": world_size,
            "device": device,
            "machine": {"platform": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
            "versions": versions(),
        }
    )
    write_whole(path, json.dumps(starts, indent=1))


def versions() -> dict[str, str]:
    """Versions of Python and the packages that decide a run's numbers."""
    found = {"python": platform.python_version()}
    for name in ("gentoolkit", "torch", "timm", "numpy", "scikit-learn", "Pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_data(source: Any, labels: int | None) -> dict[str, Any]:
    """What `data.json` records of an opened data set."""
    about: dict[str, Any] = {"items": len(source)}
    if hasattr(source, "fingerprint"):
        about["fingerprint"] = source.fingerprint()
    if labels is not None and hasattr(source, "label_counts"):
        about["label_counts"] = [int(c) for c in source.label_counts()]
    return about


def read_data(folder: Path) -> dict[str, Any]:
    """`data.json`, or nothing if it is not there."""
    path = folder / DATA
    about: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return about
