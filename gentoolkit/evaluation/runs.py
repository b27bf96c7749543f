"""The runs of a folder: what each is, how far it is, and whether it goes on. A broken one is a row with its reason.

for run in gentoolkit.runs("runs"):
    print(run.name, run.state, run.step, run.steps)
"""

from __future__ import annotations

import json
import math
import os
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from gentoolkit.engine.storage import folder as folders
from gentoolkit.engine.storage.checkpoints import committed
from gentoolkit.engine.storage.store import Store
from gentoolkit.registry import GentoolError

TAIL = 256 * 1024
"""Bytes at the end of a log in which its last line is looked for."""
SIGNS = (folders.RECIPE, folders.METRICS, folders.ENVIRONMENT, folders.CHECKPOINTS)
"""What makes a folder a run, whole or broken."""


@frozen
class Run:
    """A run, as its folder tells."""

    folder: str
    name: str
    state: str
    """`running`, `finished`, `stopped` (it was asked to, and can go on), `failed`, `never committed`, or `broken`."""
    reason: str = ""
    """Why it failed or is broken."""
    recipe: str = ""
    """Method and data."""
    step: int | None = None
    """Of the last line of the log, or of the newest commit."""
    steps: int | None = None
    loss: tuple[str, float] | None = None
    """Name and value of the first loss in the last line of the log."""
    rate: float | None = None
    """Samples per second in that line."""
    age: float | None = None
    """Seconds since something was last written."""
    size: int = 0
    """Bytes in the folder."""


def runs(folder: str | Path = "runs") -> list[Run]:
    """The runs in a folder, or the one that it is, the last written first; nothing in them is imported or run.

    Raises:
        GentoolError: there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise GentoolError(f"{folder} is no folder")
    if is_run(place):
        return [look(place)]
    found = [look(path) for path in sorted(place.iterdir()) if path.is_dir() and is_run(path)]
    return sorted(found, key=lambda run: math.inf if run.age is None else run.age)


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return any((path / sign).exists() for sign in SIGNS)


def look(path: Path) -> Run:
    """One run; whatever is wrong with it is its reason."""
    seen = Run(str(path), path.name, "broken", age=age(path), size=size(path))
    try:
        recipe = tomllib.loads((path / folders.RECIPE).read_text())
        seen = evolve(
            seen,
            name=str(recipe.get("run", {}).get("name") or path.name),
            recipe=f"{used(recipe, 'method')} on {used(recipe, 'data')}",
            steps=int(recipe["training"]["steps"]),
        )
        line = last_line(path / folders.METRICS)
        there = committed(Store(recipe.get("run", {}).get("checkpoints") or path / folders.CHECKPOINTS))
        newest = max((c.step for c in there), default=None)
        known = [s for s in (newest, line.get("step")) if isinstance(s, int)]
        rate = line.get("rate")
        seen = evolve(
            seen,
            step=max(known, default=None),
            loss=first_loss(line),
            rate=rate if isinstance(rate, float) else None,
        )
        state, reason = state_of(path, newest, seen.steps)
        return evolve(seen, state=state, reason=reason)
    except tomllib.TOMLDecodeError:
        return evolve(seen, reason=f"its {folders.RECIPE} is not valid TOML")
    except FileNotFoundError as error:
        return evolve(seen, reason=f"it has no {Path(error.filename or folders.RECIPE).name}")
    except Exception as error:  # a row for every folder, whatever lies in it
        return evolve(seen, reason=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def used(recipe: Mapping[str, Any], table: str) -> str:
    """The name of the component that a table of a resolved recipe uses, without its version."""
    return str(recipe[table]["use"]).partition("@")[0]


def state_of(path: Path, newest: int | None, steps: int | None) -> tuple[str, str]:
    """(the state, its reason) of a run whose newest commit is that of step `newest`."""
    if folders.held(path):
        return "running", ""
    if newest is not None and newest == steps:
        return "finished", ""
    end = folders.last_end(path)
    if end is not None and end[0] == "failed":
        return end
    if newest is None:
        return "never committed", ""
    if end is not None or (path / folders.ORIGIN).exists():
        return "stopped", ""
    return "failed", "it ended without a word, as where it is killed"


def last_line(log: Path) -> dict[str, Any]:
    """The last whole line of a log that tells of a step's losses; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "rate" in found:
            return found
    return {}


def first_loss(line: Mapping[str, Any]) -> tuple[str, float] | None:
    """A line's first loss: that of the denoiser, where there is one."""
    losses = [
        (name, float(value))  # a number that is not finite is a text in the log
        for name, value in line.items()
        if "/" in name and not name.endswith("/grad_norm") and not isinstance(value, dict)
    ]
    return next((loss for loss in losses if loss[0].startswith("denoiser/")), losses[0] if losses else None)


def age(path: Path) -> float | None:
    """Seconds since the log, the record of starts, or the recipe was last written."""
    times = [(path / name).stat().st_mtime for name in SIGNS[:3] if (path / name).exists()]
    return max(0.0, time.time() - max(times)) if times else None


def size(path: Path) -> int:
    """Bytes of all files below a folder; those that vanish meanwhile count for nothing."""
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total
