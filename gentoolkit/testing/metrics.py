"""Metrics: numbers about samples that any number of processes look at, each under a protocol."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from gentoolkit.components.data.digits import Digits
from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.features.reference import Reference
from gentoolkit.components.samplers.ancestral import Ancestral
from gentoolkit.engine.feed import unchanged
from gentoolkit.engine.samples.measuring import as_features_take_them, over_features
from gentoolkit.registry import Facts

from .suite import Case, Suite, fit
from .tiny import tiny_facts, tiny_parts

SAMPLES = 96
REAL = 300
"""Real samples that metrics over features compare with."""
SOURCES = {"gaussians25": Gaussians25(size=2000), "digits": Digits()}


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Points of a known mixture, and labelled images; those that the metric takes."""
    for name, source in SOURCES.items():
        spec = source.spec()
        facts = tiny_facts(spec.kind, spec.shape, labels=spec.labels, mixture=spec.mixture, bounded=spec.bounded, data=name)
        if fit(config, facts):
            yield name, facts


@frozen(eq=False)
class Prepared:
    """A metric that has seen the real data, and samples for it: the first of that data with a little noise."""

    metric: Any
    samples: Tensor

    def after(self, *parts: Tensor) -> Any:
        """A copy of the metric that has seen some chunks."""
        metric = copy.deepcopy(self.metric)
        for part in parts:
            metric.add(look(metric, part))
        return metric


def look(metric: Any, samples: Tensor) -> Any:
    """What there is to know of a chunk: its features, where it is a metric over them."""
    return metric.features(as_features_take_them(samples)) if over_features(metric) else metric.see(samples)


@cache
def prepared(case: Case) -> Prepared:
    """Once per case: some metrics train a classifier."""
    real = SOURCES[case.facts.data].build(case.facts, {})
    x = torch.stack([real[i]["x_0"] for i in range(SAMPLES)]).float()
    samples = x / 127.5 - 1 if case.facts.kind == "image" else x
    metric = case.build()
    if over_features(metric):
        rows = metric.features(unchanged(real, np.arange(REAL))["x_0"])
        metric.prepare(Reference("some", rows))
    elif not hasattr(metric, "measure"):
        metric.prepare(real)
    return Prepared(metric, samples)


def looks_at_samples(case: Case) -> bool:
    """False for a metric that measures the model itself."""
    return not hasattr(prepared(case).metric, "measure")


def numbers_are_finite_and_have_a_protocol(case: Case) -> None:
    """`compute` gives floats by name; the protocol names how many samples they are of."""
    if not looks_at_samples(case):
        parts = tiny_parts(case.facts)
        metric = case.build()
        values = metric.measure(parts["model"], Ancestral().build(case.facts, {}), case.facts)
    else:
        metric = prepared(case).after(prepared(case).samples)
        values = metric.compute()
        assert str(SAMPLES) in metric.protocol
        assert case.config.samples > 0
    assert values and all(isinstance(v, int | float) and math.isfinite(v) for v in values.values()), values
    assert metric.protocol == metric.protocol.strip() != ""
    assert "\n" not in metric.protocol


def other_processes_may_look(case: Case) -> None:
    """What other processes saw of the chunks, written down as arrays and added in order, gives the very numbers; to look adds
    nothing; and how samples are cut into chunks changes no more than rounding."""
    if not looks_at_samples(case):
        return
    p = prepared(case)
    a, b = p.samples[: SAMPLES // 3], p.samples[SAMPLES // 3 :]
    alone, first, second = p.after(a, b), p.after(), p.after()
    for seen in (look(first, a), look(second, b)):
        first.add(written_down(seen))
    assert first.compute() == alone.compute()
    assert first.protocol == alone.protocol
    second.add(look(second, a))
    assert second.compute() == p.after(a).compute(), "what was looked at before and not added does not count"
    assert second.protocol == p.after(a).protocol
    whole = p.after(p.samples)
    assert whole.protocol == alone.protocol
    for name, value in whole.compute().items():
        assert alone.compute()[name] == np.float64(value) or abs(alone.compute()[name] - value) <= 1e-6 * abs(value), name


def written_down(seen: Any) -> Any:
    """Arrays by name as a file has them, which no object can be in."""
    assert isinstance(seen, dict), "what is seen are arrays by name"
    file = BytesIO()
    np.savez(file, **seen)
    with np.load(BytesIO(file.getvalue()), allow_pickle=False) as found:
        return dict(found)


def what_is_better_is_declared_of_its_values(case: Case) -> None:
    """`better` names values that it computes, and says higher or lower."""
    better = type(case.config).better
    assert set(better.values()) <= {"higher", "lower"}
    if looks_at_samples(case):
        assert set(better) <= set(prepared(case).after(prepared(case).samples).compute())
    else:
        assert not better, "it is not measured while a run goes on"


def samples_are_left_alone(case: Case) -> None:
    """Looking changes nothing, and `compute` can be asked twice."""
    if not looks_at_samples(case):
        return
    p = prepared(case)
    before = p.samples.clone()
    metric = p.after(p.samples)
    assert metric.compute() == metric.compute()
    assert torch.equal(before, p.samples)


def bad_samples_are_told_from_good_ones(case: Case) -> None:
    """Samples at one point, far from most of the data, do not get the numbers of the data itself."""
    if looks_at_samples(case):
        p = prepared(case)
        assert p.after(torch.full_like(p.samples, 0.3)).compute() != p.after(p.samples).compute()


METRICS = Suite(
    "metrics",
    cases,
    (
        numbers_are_finite_and_have_a_protocol,
        other_processes_may_look,
        samples_are_left_alone,
        bad_samples_are_told_from_good_ones,
        what_is_better_is_declared_of_its_values,
    ),
)
