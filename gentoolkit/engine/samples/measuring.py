"""Measuring a model with metrics, by all processes together.

Samples are drawn once, in chunks that are dealt over the processes, and each chunk is seen by every metric where it was drawn.
What was seen goes to the first process, which adds it in the order of chunks; so numbers do not depend on how many processes
there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gentoolkit.components.model import StepModel
from gentoolkit.registry import Facts

from ..processes.stopping import Stop
from ..processes.world import World
from .sampling import deal, draw_chunks


def looks_at_samples(metric: Any) -> bool:
    """False for a built metric that looks at the model itself."""
    return not hasattr(metric, "measure")


def measured(
    model: StepModel,
    sampler: Any,
    facts: Facts,
    metrics: Mapping[str, Any],
    wanted: Mapping[str, int],
    seed: int,
    batch: int,
    counts: Sequence[int] | None,
    world: World,
    stop: Stop,
) -> dict[str, dict[str, float]]:
    """Each metric's numbers on the first `wanted` samples of a seed, at the first process; nothing at the others.

    Args:
        metrics: prepared metrics that look at samples, fresh ones: what they have added before counts, too.
        wanted: samples for each of them.
        batch: samples per chunk.
        counts: frequencies of the classes.

    Raises:
        Stopped: a stop was agreed on meanwhile.
    """
    most = max(wanted.values())
    numbers, mine = deal(range(-(-most // batch)), world)
    for at, (number, samples) in enumerate(
        draw_chunks(model, sampler, facts, most, seed, batch, None, counts, numbers, stop.agreed)
    ):
        seen = {}
        for name, metric in metrics.items() if at < mine else ():
            if (left := wanted[name] - number * batch) > 0:
                seen[name] = metric.see(samples[:left])
        for found in world.collected(seen):  # of consecutive chunks, as the ranks are
            for name, one in found.items():
                metrics[name].add(one)
    return {name: metric.compute() for name, metric in metrics.items()} if world.first else {}
