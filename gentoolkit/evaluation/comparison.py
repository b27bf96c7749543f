"""Runs side by side: where their recipes differ, what they logged last, and what they were measured to be.

print(gentoolkit.compare_runs(["runs/a", "runs/b"]).results)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gentoolkit import recipe as recipes
from gentoolkit.engine.models.trained import run_folder
from gentoolkit.engine.samples.results import recorded
from gentoolkit.engine.storage.folder import METRICS, RESULTS
from gentoolkit.recipe.differences import ABSENT, Difference
from gentoolkit.registry import GentoolError

from .runs import last_line

OF_THEMSELVES = ("run.name", "run.folder", "run.checkpoints")
"""Options in which any two runs differ."""


@frozen
class Comparison:
    """Tables with a value for each run, in the order of `runs`; None where a run has none."""

    runs: tuple[str, ...]
    recipe: dict[str, tuple[Any, ...]]
    """By option, where they differ."""
    logged: dict[str, tuple[float | None, ...]]
    """The last line of the log."""
    results: dict[str, dict[str, tuple[float | None, ...]]]
    """By protocol, then by value: numbers of different protocols are never in one row. The newest of each run."""


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Compare runs.

    Raises:
        GentoolError: there are fewer than two, or one of them is no run.
    """
    if len(folders) < 2:
        raise GentoolError("a comparison takes two runs or more")
    places = [run_folder(path) for path in folders]
    loaded = [recipes.load(place) for place in places]
    changes = [recipes.differences(loaded[0], other) for other in loaded[1:]]
    lines = [last_line(place / METRICS) for place in places]
    names = dict.fromkeys(name for line in lines for name, value in line.items() if isinstance(value, int | float))
    measured = [newest(place / RESULTS) for place in places]
    keys = sorted({key for one in measured for key in one})
    results: dict[str, dict[str, tuple[float | None, ...]]] = {}
    for protocol, value in keys:
        results.setdefault(protocol, {})[value] = tuple(one.get((protocol, value)) for one in measured)
    return Comparison(
        runs=tuple(map(str, folders)),
        recipe=differing(changes),
        logged={name: tuple(line.get(name) for line in lines) for name in names},
        results=results,
    )


def differing(changes: Sequence[Sequence[Difference]]) -> dict[str, tuple[Any, ...]]:
    """By option, the values of the first run and of the others, whose differences from the first these are."""
    first = {d.path: plain(d.old) for one in changes for d in one if d.path not in OF_THEMSELVES}
    others = [{d.path: plain(d.new) for d in one} for one in changes]
    return {path: (old, *(one.get(path, old) for one in others)) for path, old in first.items()}


def plain(value: Any) -> Any:
    """A value of a recipe; None where it has none."""
    return None if value is ABSENT else value


def newest(path: Path) -> dict[tuple[str, str], float]:
    """The values of a results file by (protocol, metric/value): those of the latest step, and of it the last."""
    found: dict[tuple[str, str], float] = {}
    for result in sorted(recorded(path), key=lambda r: r.step):
        for name, value in result.values.items():
            found[result.protocol, f"{result.metric}/{name}"] = value
    return found
