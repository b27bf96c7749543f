"""Numbers that metrics gave, each with the protocol under which it was measured; `results.jsonl` of a run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts, options

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
