"""Measuring a run with its recipe's metrics, by all processes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gentoolkit.components.features.weight_files import missing_weights
from gentoolkit.engine.assemble import build
from gentoolkit.engine.models.trained import TrainedRun, load, load_reference
from gentoolkit.engine.processes.stopping import Stop, Stopped
from gentoolkit.engine.processes.world import world
from gentoolkit.engine.samples.kept import Kept
from gentoolkit.engine.samples.measuring import looks_at_samples, measured, over_features, prepare
from gentoolkit.engine.samples.results import Result, how, record
from gentoolkit.engine.storage.folder import RESULTS
from gentoolkit.recipe.check import with_parts
from gentoolkit.registry import GentoolError

EVALUATING = "evaluating"
"""Folder of a run in which an evaluation keeps what it has seen until its numbers are recorded."""


def evaluate(run: TrainedRun | str | Path, names: Sequence[str] = (), seed: int = 0) -> list[Result]:
    """Measure a run with its recipe's metrics and append the results to its `results.jsonl`.

    Under torchrun all processes call it and share the samples; the numbers are the same as of one process, and all return them.

    Args:
        run: an opened run, or its folder.
        names: metrics of the recipe; all of them unless given.
        seed: of the samples.

    Raises:
        GentoolError: the recipe has no such metric, or none at all.
        Stopped: a signal asked for it; nothing was recorded.
    """
    trained = run if isinstance(run, TrainedRun) else load(run)
    metrics = trained.recipe.metrics
    if not metrics:
        raise GentoolError(f"the recipe of {trained.folder} names no metrics; add a table such as [metrics.speed]")
    for name in names:
        if name not in metrics:
            raise GentoolError(f"the recipe of {trained.folder} has no metric '{name}'; it has {', '.join(metrics)}")
    chosen = {name: m for name, m in metrics.items() if not names or name in names}
    if missing := missing_weights(below for metric in chosen.values() for below in with_parts(metric)):
        raise GentoolError("\n".join(missing) + "\nnothing was measured")
    with world(trained.device.type) as here, Stop(here) as stop:
        if here.first:
            try:
                (trained.folder / RESULTS).open("a").close()  # before hours of measuring, not after
            except OSError as error:
                raise GentoolError(f"{trained.folder / RESULTS} cannot be written: {error.strerror}") from error
        facts, model, sampler, counts = trained.facts, trained.model, trained.sampler, trained.label_counts
        built = {name: build(m, facts, trained.parts, load_reference) for name, m in chosen.items()}
        looking = {name: m for name, m in built.items() if looks_at_samples(m)}
        values: dict[str, dict[str, float]] = {}
        if looking:
            real = build(trained.recipe.data, facts, {}, load_reference)
            wanted = {name: chosen[name].samples for name in looking}
            kept = Kept(trained.folder / EVALUATING, about(trained, looking, wanted, seed))
            try:
                prepare(looking, real, here, stop)
                values = measured(model, sampler, facts, looking, wanted, seed, trained.batch, counts, here, stop, kept)
            except Stopped:
                said = f"stopped; nothing was recorded of {trained.folder} yet, and the same command goes on"
                raise Stopped(said) from None
        cost = trained.evaluations
        results: list[Result] = []
        if here.first:  # and the others wait: a clock runs while the model itself is measured
            values.update({n: m.measure(model, sampler, facts) for n, m in built.items() if n not in looking})
            under = how(trained.recipe, facts, trained.weights)
            of = (trained.step, trained.weights, seed)
            results = [Result(name, values[name], f"{built[name].protocol}/{under}", *of, cost) for name in chosen]
            record(trained.folder / RESULTS, results)
            if looking:
                kept.drop()
        told: list[Result] = here.told(results)
        return told


def about(trained: TrainedRun, metrics: Mapping[str, Any], wanted: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Everything that what is seen of the samples depends on."""
    return {
        "weights": [trained.identity, trained.weights],
        "sampler": repr(trained.recipe.sampler),
        "precision": trained.recipe.training.precision,
        "device": trained.device.type,
        "torch": torch.__version__,
        "data": repr(trained.recipe.data),
        "seed": seed,
        "metrics": {name: [repr(trained.recipe.metrics[name]), wanted[name]] for name in metrics},
        "features": {name: metric.features.key for name, metric in metrics.items() if over_features(metric)},
    }
