"""Numbers that metrics gave, each with the protocol under which it was measured; `results.jsonl` of a run folder."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts, GentoolError, options

from ..storage.folder import versions


@frozen
class Result:
    """One metric's numbers, and what makes them comparable: two with different protocols never share a column."""

    metric: str
    values: dict[str, float]
    protocol: str
    step: int
    weights: str
    seed: int
    evaluations: int | None = None
    """Network evaluations per sample; None where that is not known."""

    @property
    def measure(self) -> str:
        """The part of the protocol that says how was measured; numbers that share it may stand in one column."""
        return self._parts()[0]

    @property
    def how(self) -> str:
        """The part of the protocol that says how samples were drawn: weights, sampler, steps."""
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        measure, mark, rest = self.protocol.rpartition(f"/{self.weights}/")
        return (measure, f"{self.weights}/{rest}") if mark else (self.protocol, "")


@frozen
class Spread:
    """A value over several seeds."""

    mean: float
    deviation: float
    """Sample standard deviation; NaN of a single one."""
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + (f" ± {self.deviation:.2g}" if self.n > 1 else "")


def spread(results: Iterable[Result]) -> dict[str, Spread]:
    """Each value's mean and deviation over results that differ in the seed alone.

    Raises:
        GentoolError: they were measured under different protocols, or of different weights: their mean would be of nothing.
    """
    found = list(results)
    first, *others = dict.fromkeys(f"{r.metric}: {r.protocol}, step {r.step}" for r in found)
    if others:
        raise GentoolError(f"numbers of different protocols are not compared:\n  {first}\n  {others[0]}")
    newest = {r.seed: r for r in found}
    values: dict[str, list[float]] = {}
    for result in newest.values():
        for name, value in result.values.items():
            values.setdefault(name, []).append(value)
    return {
        name: Spread(statistics.fmean(some), statistics.stdev(some) if len(some) > 1 else math.nan, len(some))
        for name, some in values.items()
    }


def how(recipe: Recipe, facts: Facts, weights: str) -> str:
    """How samples were drawn, for the protocol: weights, sampler, steps, and what else is not as it is by default."""
    sampler: Any = recipe.sampler
    told = [f"{sampler.name}-{sampler.steps or facts.steps}"]
    for name, option in options(type(sampler)).items():
        if name not in ("steps", "batch") and getattr(sampler, name) != option.default:
            told.append(f"{name}-{getattr(sampler, name)}")
    if recipe.training.precision == "fp64":
        told.append("fp64")
    return "/".join([weights, *told])


def record(path: Path, results: Iterable[Result]) -> None:
    """Append results with time and versions."""
    about = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "versions": versions()}
    with path.open("a") as file:
        for result in results:
            file.write(json.dumps({**asdict(result), **about}) + "\n")


def recorded(path: Path) -> list[Result]:
    """All whole results of a file, oldest first; none where there is no file."""
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        try:
            entry = json.loads(line)
            values = {str(name): float(value) for name, value in entry["values"].items()}
            about = (str(entry["protocol"]), int(entry["step"]), str(entry["weights"]), int(entry["seed"]))
            evaluations = None if entry.get("evaluations") is None else int(entry["evaluations"])
            found.append(Result(str(entry["metric"]), values, *about, evaluations))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found
