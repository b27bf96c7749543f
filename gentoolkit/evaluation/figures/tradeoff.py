"""Quality against the number of network evaluations, from what was recorded of runs   (after the paper's Fig. 4).

A line is a run with one kind of weights and one sampler, its points that sampler with so many steps. All points of a figure
were measured under one protocol; seeds are a mean with their deviation.

write_plot("tradeoff.svg", tradeoff(["runs/ddgan", "runs/ddpm"], "mixture/high_quality").figure())
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gentoolkit.engine.models.trained import run_folder
from gentoolkit.engine.samples.results import Result, recorded, spread
from gentoolkit.engine.storage.folder import RESULTS
from gentoolkit.registry import GentoolError

from ..oracle_table import oracle_row
from .plotting import styled

LIMITS = {"exact": "exact steps", "gaussian": "Gaussian steps, exact mean", "matched": "Gaussian steps, moments matched"}
"""The oracle's steps, in the order of `oracle_row`."""
OF_THE_ORACLE = {"high_quality": 0, "modes": 1}
"""Values that `oracle_row` has, and where."""
LARGEST, DRAWN = 128, 10_000
"""Steps and samples of the oracle at most."""


@frozen
class Point:
    """A value at a number of evaluations; `deviation` over seeds is not finite of one."""

    evaluations: int
    value: float
    deviation: float


@frozen
class Tradeoff:
    """Lines of points, each ascending in evaluations."""

    value: str
    """`metric/value`."""
    measure: str
    """The protocol of all of them, without how samples were drawn."""
    lines: Mapping[str, tuple[Point, ...]]
    limits: Mapping[str, tuple[Point, ...]]
    """What the oracle's steps can do, where it was asked for."""
    left_out: tuple[str, ...]
    """Other protocols that the runs have the value under."""

    def figure(self) -> Any:
        """The lines over a logarithmic axis of evaluations, the oracle's dashed."""
        import numpy as np

        with styled() as Figure:
            figure = Figure(figsize=(8, 4), layout="constrained")
            axes = figure.subplots()
            for name, points in self.lines.items():
                x, y, e = np.array([(p.evaluations, p.value, p.deviation) for p in points]).T
                axes.errorbar(x, y, np.nan_to_num(e), label=name, marker="o", markersize=4, linewidth=1.2, capsize=2)
            for (name, points), style in zip(self.limits.items(), ("-", "--", ":"), strict=False):
                x, y = [p.evaluations for p in points], [p.value for p in points]
                axes.plot(x, y, label=f"limit: {name}", color="#888888", linestyle=style, linewidth=1)
            axes.set_xscale("log")
            marks = sorted({p.evaluations for points in (*self.lines.values(), *self.limits.values()) for p in points})
            axes.set_xticks(apart(marks), [f"{m}" for m in apart(marks)])
            axes.minorticks_off()
            axes.set(xlabel="network evaluations per sample", ylabel=self.value.replace("_", " "))
            axes.grid(color="#e5e5e5", linewidth=0.6)
            figure.legend(fontsize=8, frameon=False, loc="outside right upper")
            axes.set_title(self.measure, fontsize=7, color="#666666")
        return figure


def apart(marks: Sequence[int]) -> list[int]:
    """Those that are at least a fifth larger than the one before, so that their numbers do not overlap."""
    kept: list[int] = []
    for mark in marks:
        if not kept or mark >= 1.2 * kept[-1]:
            kept.append(mark)
    return kept


def tradeoff(folders: Sequence[str | Path], value: str | None = None, limits: bool = False) -> Tradeoff:
    """The trade-off between quality and evaluations of some runs, of the newest step that each line was measured at.

    Args:
        folders: the runs.
        value: what is measured, as `metric/value`; the first that most points have unless given.
        limits: whether what exact and Gaussian steps can do is shown, too: of high-quality share or modes of 25 Gaussians.

    Raises:
        GentoolError: a folder is no run, or nothing was measured of them under a number of evaluations that is known.
    """
    found: dict[tuple[str, str], dict[str, dict[int, list[Result]]]] = {}
    for name, place in zip(named(folders), folders, strict=True):
        results = recorded(run_folder(place) / RESULTS)
        counts = {r.how: int(r.values["evaluations"]) for r in results if "evaluations" in r.values}
        for result in results:
            evaluations = result.evaluations if result.evaluations is not None else counts.get(result.how)
            if not evaluations or "evaluations" in result.values:
                continue
            for one in result.values:
                lines = found.setdefault((f"{result.metric}/{one}", result.measure), {})
                points = lines.setdefault(f"{name}, {sampled(result)}", {})
                points.setdefault(evaluations, []).append(result)
    known = list(dict.fromkeys(v for v, _ in found))
    if not known or (value is not None and value not in known):
        asked = "" if value is None else f" of {value}"
        there = (
            f"; there is {', '.join(known)}" if known else "; gentool evaluate RUN --sweep sampler.steps=1,2,4 measures them"
        )
        raise GentoolError(
            f"no result{asked} is recorded with its number of evaluations in {', '.join(map(str, folders))}{there}"
        )

    def points_of(key: tuple[str, str]) -> int:
        return sum(map(len, found[key].values()))

    chosen = max((key for key in found if value in (None, key[0])), key=points_of)
    metric_value, measure = chosen
    drawn = {name: line(measured, metric_value.partition("/")[2]) for name, measured in found[chosen].items()}
    others = tuple(m for v, m in found if v == metric_value and m != measure)
    most = max(p.evaluations for one in drawn.values() for p in one)
    return Tradeoff(metric_value, measure, drawn, oracle(metric_value, measure, most) if limits else {}, others)


def named(folders: Sequence[str | Path]) -> list[str]:
    """A name for each run, its folder's own where that tells them apart."""
    names = [Path(place).resolve().name for place in folders]
    return [name if names.count(name) == 1 else str(place) for name, place in zip(names, folders, strict=True)]


def sampled(result: Result) -> str:
    """How samples were drawn, without the number of steps and the usual weights."""
    weights, _, rest = result.how.partition("/")
    sampler, *more = rest.split("/")
    words = [re.sub(r"-\d+\Z", "", sampler), *more, *([] if weights == "ema" else [weights])]
    return " ".join(words)


def line(points: Mapping[int, Sequence[Result]], value: str) -> tuple[Point, ...]:
    """Points of the newest step that is among them, ascending."""
    newest = max(r.step for results in points.values() for r in results)
    found = []
    for evaluations in sorted(points):
        if now := [r for r in points[evaluations] if r.step == newest]:
            over = spread(now)[value]
            found.append(Point(evaluations, over.mean, over.deviation))
    return tuple(found)


def oracle(value: str, measure: str, most: int) -> dict[str, tuple[Point, ...]]:
    """What the oracle's steps can do on 25 Gaussians, from 2 to `most` steps; one Gaussian step puts all on one mode.

    Raises:
        GentoolError: it knows nothing of this value.
    """
    name = value.partition("/")[2]
    if name not in OF_THE_ORACLE or not measure.startswith("mixture/gaussians25"):
        raise GentoolError(f"the limit of denoising steps is known of high_quality and modes on gaussians25, not of {value}")
    steps = [2**k for k in range(1, 8) if 2**k <= min(max(most, 2), LARGEST)]
    rows = {T: oracle_row(T, DRAWN, 0) for T in steps}
    return {
        said: tuple(Point(T, float(rows[T][k][OF_THE_ORACLE[name]]), float("nan")) for T in steps)
        for k, said in enumerate(LIMITS.values())
    }
