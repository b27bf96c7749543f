"""A recipe's metrics, measured on the averaged weights while a run goes on; and the step at which one of them was best.

    evaluations.remember(steps)                what earlier processes measured at these steps
    evaluations.due(done)                      whether they are, after so many steps
    evaluations.measure(done, model, stop)     by all processes; None if a stop was agreed on meanwhile
    evaluations.best                           the step whose checkpoint is to be kept, if training.keep_best names a value

Samples and protocol are those of `gentool evaluate`, and so are the numbers. Metrics that look at the model itself (speed) are
left to it: they would be the same all along, and a training process is no place for a stopwatch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gentoolkit.components.metrics import Metric
from gentoolkit.components.model import StepModel
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts

from ..processes.stopping import Stop, Stopped
from ..processes.world import World
from ..storage.folder import RESULTS
from ..storage.journal import Journal
from .measuring import measured, over_features, prepare
from .results import Result, how, record, recorded
from .sampling import evaluations_of

SEED = 0
WEIGHTS = "ema"


def configs_of(recipe: Recipe) -> dict[str, Metric]:
    """The metrics that a recipe has measured while it is trained."""
    return {name: m for name, m in recipe.metrics.items() if m.samples} if recipe.training.evaluate_every else {}


class Evaluations:
    """The evaluations of a run.

    Args:
        recipe: the structured recipe.
        facts: what its check found.
        metrics: those of `configs_of(recipe)`, built.
        sampler: the built sampler.
        source: the opened data.
        counts: frequencies of the classes, where the model is conditioned on them.
        run: the run's folder.
        world: this process; all take part, the first one writes.
        journal: the log of the first process.
        kept: where the step is put whose checkpoint must not be deleted.
    """

    def __init__(
        self,
        recipe: Recipe,
        facts: Facts,
        metrics: Mapping[str, Any],
        sampler: Any,
        source: Any,
        counts: list[int] | None,
        run: Path,
        world: World,
        journal: Journal | None,
        kept: set[int],
    ) -> None:
        training = recipe.training
        self.every, self.last = training.evaluate_every, training.steps
        self.recipe, self.facts, self.sampler, self.source, self.counts = recipe, facts, sampler, source, counts
        self.path, self.world, self.journal = run / RESULTS, world, journal
        self.configs, self.metrics = configs_of(recipe), metrics
        self._prepared = False
        self._cost: int | None = None
        self.best: int | None = None
        """The step at which `training.keep_best` was best so far."""
        self._metric, _, self._value = ((training.keep_best if self.every else None) or "").partition("/")
        self._record: Result | None = None
        self._kept = kept

    def remember(self, committed: Collection[int]) -> None:
        """Take up the best of what was measured before, at steps whose checkpoints are there; every process calls it."""
        if self._metric and self.world.first:
            for result in recorded(self.path):
                if result.step in committed and (result.weights, result.seed) == (WEIGHTS, SEED):
                    self._consider(result)
        self.best = self.world.told(self.best)

    def due(self, done: int) -> bool:
        """Whether the metrics are measured after `done` steps: after every so many, and after the last."""
        return bool(self.configs) and self.every is not None and (done % self.every == 0 or done == self.last)

    def measure(self, done: int, model: StepModel, stop: Stop) -> list[Result] | None:
        """Measure the model after `done` steps, write the results down, and see whether they are the best; every process calls
        it, and all return the results."""
        if not self._prepared:
            try:
                prepare(self.metrics, self.source, self.world, stop)
            except Stopped:
                return None
            self._prepared = True
        networks = {id(m.features): m.features for m in self.metrics.values() if over_features(m)}
        fresh = copy.deepcopy(self.metrics, networks)
        wanted = {name: config.samples for name, config in self.configs.items()}
        facts, batch = self.facts, self.recipe.sampler.batch
        try:
            values = measured(model, self.sampler, facts, fresh, wanted, SEED, batch, self.counts, self.world, stop)
        except Stopped:
            return None
        if self._cost is None:
            self._cost = evaluations_of(model, self.sampler, facts)
        results: list[Result] = []
        if self.world.first:
            under = how(self.recipe, facts, WEIGHTS)
            results = [
                Result(name, values[name], f"{metric.protocol}/{under}", done, WEIGHTS, SEED, self._cost)
                for name, metric in fresh.items()
            ]
            record(self.path, results)
            if self.journal is not None:
                found = {f"{r.metric}/{name}": value for r in results for name, value in r.values.items()}
                self.journal.write({"step": done, "metrics": found})
            for result in results:
                self._consider(result)
        results, self.best = self.world.told((results, self.best))
        return results

    def _consider(self, result: Result) -> None:
        """Whether a result is the best so far; one of another protocol than the record's is not compared, and is the new
        record."""
        value = result.values.get(self._value, math.nan)
        if result.metric != self._metric or not math.isfinite(value):
            return
        before = self._record
        if before is not None and before.protocol == result.protocol:
            gain = value - before.values[self._value]
            higher = type(self.configs[self._metric]).better[self._value] == "higher"
            if (gain if higher else -gain) <= 0:
                return
        self._record = result
        if result.step != self.best:
            self._kept.add(result.step)  # before the other goes: another thread deletes what is not in it
            self._kept.discard(-1 if self.best is None else self.best)
            self.best = result.step
