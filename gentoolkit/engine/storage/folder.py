"""A run folder: everything that is needed to run it again, resume it, sample from it and compare it.

recipe.toml      resolved: every value, versions pinned, origins as comments; itself a recipe
environment.json versions, machine, command line of each start
data.json        number of items, fingerprint, class counts
metrics.jsonl    the log
results.jsonl    what it was measured to be, a line per metric
origin.json      of weights that others released: their files and licence
start.json       of a run that began with another model's weights: which
snapshots/       step-00001000/ with MANIFEST.json: models for people
checkpoints/     step-00001000/ with COMMIT.json, unless run.checkpoints names another place
local/           copies of [local] modules
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import GentoolError

from .store import Store
from .whole import write_whole

RESULTS = "results.jsonl"
ORIGIN = "origin.json"
RECIPE, ENVIRONMENT, DATA, METRICS, CHECKPOINTS = (
    "recipe.toml",
    "environment.json",
    "data.json",
    "metrics.jsonl",
    "checkpoints",
)


def store_of(recipe: Recipe, folder: Path) -> Store:
    """Where the checkpoints of the run in `folder` lie.

    Raises:
        GentoolError: nothing here can reach the place.
    """
    return Store(recipe.run.checkpoints or folder / CHECKPOINTS)


def make(folder: Path) -> None:
    """Create a run folder.

    Raises:
        GentoolError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise GentoolError(
            f"the run folder {folder} cannot be written: {error.strerror}; choose another with run.folder"
        ) from error


HELD: list[IO[str]] = []
"""Lock files of this process; a forked child closes its copies, or the lock would outlive the process that took it."""


LOCK_TRIES, LOCK_PAUSE = 3, 0.1
"""How often, and after how many seconds, a held lock is tried again."""


def held(folder: Path) -> bool:
    """Whether a process trains in a folder."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder for this process while the block runs.

    Raises:
        GentoolError: another process trains in it.
    """
    file = (folder / ".lock").open("a")
    for tries_left in range(LOCK_TRIES, -1, -1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if tries_left and isinstance(error, BlockingIOError):  # perhaps somebody is only looking whether it is held
                time.sleep(LOCK_PAUSE)
                continue
            file.close()
            said = f"another process is training in {folder}; wait for it, or choose another run.name"
            raise GentoolError(said) from error
    HELD.append(file)
    try:
        yield
    finally:
        HELD.remove(file)
        file.close()


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


def record_end(folder: Path, step: int, how: str, reason: str = "") -> None:
    """Add to the newest start in `environment.json` how it ended: `finished`, `stopped` or `failed`. Where that cannot be
    written, as on a full disk, it is left out."""
    path = folder / ENVIRONMENT
    try:
        starts = json.loads(path.read_text())
        starts[-1]["end"] = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "step": step, "how": how, "reason": reason}
        write_whole(path, json.dumps(starts, indent=1))
    except (OSError, ValueError, LookupError, TypeError):
        return


def last_end(folder: Path) -> tuple[str, str] | None:
    """(how, why) the newest start of a run ended; None where it did not say so."""
    try:
        end = json.loads((folder / ENVIRONMENT).read_text())[-1]["end"]
        return str(end["how"]), str(end["reason"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def first_start(folder: Path) -> float | None:
    """When a run was started first, in seconds since 1970; None where no record tells."""
    try:
        first = json.loads((folder / ENVIRONMENT).read_text())[0]["time"]
        return datetime.strptime(first, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (OSError, ValueError, LookupError, TypeError):
        return None


def record_program(folder: Path, name: str, verdict: Mapping[str, Any]) -> None:
    """Add to the last start what became of a compiled loss."""
    path = folder / ENVIRONMENT
    starts = json.loads(path.read_text())
    starts[-1].setdefault("programs", {})[name] = dict(verdict)
    write_whole(path, json.dumps(starts, indent=1))


def known_programs(folder: Path) -> dict[str, dict[str, Any]]:
    """What earlier starts on the machine and with the versions of the last one recorded of compiled losses."""
    try:
        starts = json.loads((folder / ENVIRONMENT).read_text())
        here = [{key: start[key] for key in ("device", "machine", "versions")} for start in starts]
        return {
            n: v for start, at in zip(starts, here, strict=True) if at == here[-1] for n, v in start.get("programs", {}).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}


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


def label_counts(folder: Path, classes: int) -> list[int]:
    """How often each class occurs in the data, from `data.json`.

    Raises:
        GentoolError: the file is missing or damaged.
    """
    path = folder / DATA
    try:
        counts = json.loads(path.read_text())["label_counts"]
        if len(counts) != classes or not all(type(c) is int and c >= 0 for c in counts) or not sum(counts):
            raise ValueError(f"label_counts must be {classes} numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GentoolError(
            f"{path} cannot be read ({error}); it says how often each class occurs. Ask for classes (--y), or restore it"
        ) from error
    return list(counts)
