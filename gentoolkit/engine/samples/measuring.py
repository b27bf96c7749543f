"""Measuring a model with metrics, by all processes together.

Samples are drawn once, in chunks that are dealt over the processes, and each chunk is looked at where it was drawn: by the
metrics over samples, and by each feature network once, however many metrics want its features. What was seen is a record,

    {viewer: {name: array}}          a viewer is a metric's name, or the key of features

which goes to the first process; that has the metrics add it in the order of chunks. So numbers do not depend on how many
processes there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.features.reference import Reference
from gentoolkit.components.model import StepModel
from gentoolkit.registry import Facts, GentoolError

from ..processes.stopping import Stop
from ..processes.world import World
from .kept import Kept, Record, missing
from .references import reference_of
from .room import Room
from .sampling import deal, draw_chunks


def looks_at_samples(metric: Any) -> bool:
    """False for a built metric that looks at the model itself."""
    return not hasattr(metric, "measure")


def as_features_take_them(samples: Tensor) -> Tensor:
    """uint8 for images `[n, C, H, W]` in [-1, 1], as files hold them; what is not finite is 0. Points as they are."""
    if samples.dim() != 4:
        return samples
    return ((samples.float().nan_to_num(0, 0, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


class Panel:
    """Metrics over samples and features, and who looks for them.

    Args:
        metrics: built metrics of these two kinds, by name.
        wanted: samples for each of them.
    """

    def __init__(self, metrics: Mapping[str, Any], wanted: Mapping[str, int]) -> None:
        self.metrics, self.wanted, self.room = metrics, wanted, Room("measured")
        self.networks = {metric.features.key: metric.features for metric in metrics.values() if over_features(metric)}
        self.viewer = {name: m.features.key if over_features(m) else name for name, m in metrics.items()}
        self.most = {v: max(wanted[n] for n in metrics if self.viewer[n] == v) for v in self.viewer.values()}

    def see(self, samples: Tensor, first: int) -> Record:
        """The record of samples `first, first + 1, ...` of those that are drawn; it changes nothing."""
        seen: Record = {}
        for viewer, most in self.most.items():
            if (left := most - first) > 0:
                part = samples[:left]
                look = self.networks.get(viewer)
                seen[viewer] = (
                    self.metrics[viewer].see(part) if look is None else self.room.looked(look, as_features_take_them(part))
                )
        return seen

    def add(self, seen: Record, first: int) -> None:
        """Have every metric take in its part of a record."""
        for name, metric in self.metrics.items():
            if (left := self.wanted[name] - first) > 0:
                found = seen[self.viewer[name]]
                metric.add({k: v[:left] for k, v in found.items()} if over_features(metric) else found)

    def compute(self) -> dict[str, dict[str, float]]:
        """Each metric's numbers."""
        return {name: metric.compute() for name, metric in self.metrics.items()}


def over_features(metric: Any) -> bool:
    """Whether a built metric compares features."""
    return hasattr(metric, "features")


def prepare(metrics: Mapping[str, Any], real: Any, world: World, stop: Stop | None = None) -> None:
    """Show the real data to metrics over samples in every process, its features to the others in the first one; every process
    calls it.

    Raises:
        Stopped: a stop was agreed on meanwhile.
    """
    references: dict[tuple[str, int | None], Reference | None] = {}
    for metric in metrics.values():
        if not over_features(metric):
            metric.prepare(real)
            continue
        wanted = (metric.features.key, metric.reference)
        if wanted not in references:
            nothing = metric.reference == 0
            references[wanted] = (
                Reference("none", {}) if nothing else reference_of(real, metric.features, metric.reference, world, stop)
            )
        if world.first:
            metric.prepare(references[wanted])


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
    kept: Kept | None = None,
) -> dict[str, dict[str, float]]:
    """Each metric's numbers on the first `wanted` samples of a seed, at the first process; nothing at the others.

    Args:
        metrics: prepared metrics that look at samples or features, fresh ones: what they have added before counts, too.
        wanted: samples for each of them.
        batch: samples per chunk.
        counts: frequencies of the classes.
        kept: where what was seen of each chunk is kept, so that the same call goes on after a kill; its chunks are not drawn
            again. In memory unless given.

    Raises:
        Stopped: a stop was agreed on meanwhile.
    """
    panel = Panel(metrics, wanted)
    most = max(wanted.values())
    total = -(-most // batch)
    done = set() if kept is None else world.told(kept.whole(total) if world.first else None)
    numbers, mine = deal(missing(done, total), world)
    for at, (number, samples) in enumerate(
        draw_chunks(model, sampler, facts, most, seed, batch, None, counts, numbers, stop.agreed)
    ):
        seen = panel.see(samples, number * batch) if at < mine else None
        if kept is not None:
            if seen is not None:
                kept.write(number, seen)
            continue
        for one in world.collected(None if seen is None else (number, seen)):  # of consecutive chunks, as the ranks are
            if one is not None:
                panel.add(one[1], one[0] * batch)
    if kept is not None:
        world.barrier()
        for number in range(total) if world.first else ():
            if (record := kept.read(number)) is None:
                raise GentoolError(f"{kept.folder} lacks chunk {number}: all processes must see the same folder")
            panel.add(record, number * batch)
    return panel.compute() if world.first else {}
