"""A run measured at every point of a grid of sampler and metric settings, with several seeds.

    points = sweep("runs/x", ["sampler.steps=1,2,4,8"], seeds=(0, 1, 2))
    for point in points:
        print(point.overrides, point.summary())

All points are checked before the first is measured; the model is loaded once. Results are recorded as those of `evaluate` are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from gentoolkit.engine.models.trained import TrainedRun, load
from gentoolkit.engine.processes.world import world
from gentoolkit.engine.samples.results import Result, Spread, spread
from gentoolkit.registry import GentoolError

from .evaluate import evaluate


@frozen
class Point:
    """A point of the grid: what was changed, and the results of all seeds."""

    overrides: tuple[str, ...]
    results: tuple[Result, ...]

    def summary(self) -> dict[tuple[str, str], dict[str, Spread]]:
        """By (metric, measuring part of the protocol): each value's mean and deviation over the seeds."""
        found: dict[tuple[str, str], list[Result]] = {}
        for result in self.results:
            found.setdefault((result.metric, result.measure), []).append(result)
        return {key: spread(group) for key, group in found.items()}


def axis(text: str) -> list[str]:
    """`sampler.steps=1,2,4` as `sampler.steps=1`, `sampler.steps=2`, `sampler.steps=4`.

    Raises:
        GentoolError: it has no key, or no value.
    """
    key, mark, values = text.partition("=")
    given = [value.strip() for value in values.split(",")]
    if not key.strip() or not mark or not all(given):
        raise GentoolError(f"a sweep is KEY=VALUE,VALUE,..., such as sampler.steps=1,2,4, not {text!r}")
    return [f"{key.strip()}={value}" for value in given]


def grid(axes: Sequence[str]) -> list[tuple[str, ...]]:
    """All combinations of the axes' values; one empty combination without axes."""
    return list(itertools.product(*map(axis, axes)))


def sweep(
    run: TrainedRun | str | Path, axes: Sequence[str], names: Sequence[str] = (), seeds: Sequence[int] = (0,)
) -> list[Point]:
    """Measure a run at every point.

    Args:
        run: an opened run, or its folder.
        axes: `KEY=VALUE,VALUE,...` each, of `[sampler]` and `[metrics]`.
        names: metrics of the recipe; all of them unless given.
        seeds: of the samples; each result is recorded by itself.

    Raises:
        GentoolError: a point does not fit, which is said before any is measured.
        Stopped: a signal asked for it; what was measured before is recorded.
    """
    trained = run if isinstance(run, TrainedRun) else load(run)
    varied = [(point, trained.varied(point)) for point in grid(axes)]
    with world(trained.device.type):
        return [
            Point(overrides, tuple(result for seed in seeds for result in evaluate(one, names, seed)))
            for overrides, one in varied
        ]
