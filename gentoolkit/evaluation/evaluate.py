"""Measuring a run with metrics: samples are drawn once, in chunks, and shown to every metric that wants them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from gentoolkit.engine.assemble import build
from gentoolkit.engine.folder import RESULTS, versions
from gentoolkit.engine.sampling import draw_chunks
from gentoolkit.engine.stopping import Stop, Stopped
from gentoolkit.engine.trained import TrainedRun, load, load_reference
from gentoolkit.engine.world import World
from gentoolkit.registry import GentoolError, options


@frozen
class Result:
    """One metric's numbers, and what makes them comparable: two with different protocols never share a column."""

    metric: str
    values: dict[str, float]
    protocol: str
    step: int
    weights: str
    seed: int


def evaluate(run: TrainedRun | str | Path, names: Sequence[str] = (), seed: int = 0) -> list[Result]:
    """Measure a run with its recipe's metrics and append the results to its `results.jsonl`.

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
    try:
        (trained.folder / RESULTS).open("a").close()  # before hours of measuring, not after
    except OSError as error:
        raise GentoolError(f"{trained.folder / RESULTS} cannot be written: {error.strerror}") from error
    chosen = {name: m for name, m in metrics.items() if not names or name in names}
    built = {name: build(m, trained.facts, trained.parts, load_reference) for name, m in chosen.items()}
    looking = {name: m for name, m in built.items() if not hasattr(m, "measure")}
    values: dict[str, dict[str, float]] = {}
    if looking:
        real = build(trained.recipe.data, trained.facts, {}, load_reference)
        for metric in looking.values():
            metric.prepare(real)
        try:
            show(trained, looking, {name: chosen[name].samples for name in looking}, seed)
        except Stopped:
            raise Stopped(f"stopped; nothing was recorded of {trained.folder}, and the same command measures again") from None
        values = {name: metric.compute() for name, metric in looking.items()}
    for name, metric in built.items():
        if name not in looking:
            values[name] = metric.measure(trained.model, trained.sampler, trained.facts)
    results = [
        Result(name, values[name], f"{built[name].protocol}/{how(trained)}", trained.step, trained.weights, seed)
        for name in chosen
    ]
    record(trained.folder / RESULTS, results)
    return results


def how(trained: TrainedRun) -> str:
    """How samples were drawn, for the protocol: weights, sampler, steps, and what else is not as it is by default."""
    sampler: Any = trained.recipe.sampler
    told = [f"{sampler.name}-{sampler.steps or trained.facts.steps}"]
    for name, option in options(type(sampler)).items():
        if name not in ("steps", "batch") and getattr(sampler, name) != option.default:
            told.append(f"{name}-{getattr(sampler, name)}")
    if trained.recipe.training.precision == "fp64":
        told.append("fp64")
    return "/".join([trained.weights, *told])


def show(trained: TrainedRun, metrics: dict[str, Any], wanted: dict[str, int], seed: int) -> None:
    """Draw samples chunk by chunk and let each metric see the first `wanted` of them."""
    most, at = max(wanted.values()), 0
    with Stop(World(0, 1, trained.device)) as stop:
        model, counts = trained.model, trained.label_counts
        for _, samples in draw_chunks(
            model, trained.sampler, trained.facts, most, seed, trained.batch, counts=counts, leave=lambda: stop.asked
        ):
            for name, metric in metrics.items():
                if (left := wanted[name] - at) > 0:
                    metric.update(samples[:left])
            at += len(samples)


def record(path: Path, results: list[Result]) -> None:
    """Append results with time and versions."""
    about = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "versions": versions()}
    with path.open("a") as file:
        for result in results:
            file.write(json.dumps({**asdict(result), **about}) + "\n")
