"""Drawing samples from a step model: sample i of a seed is a function of (seed, i).

Noise is keyed by (seed, i); and since rounding depends on the shape of a batch, the network always sees whole chunks of
`sampler.batch` samples, the last one padded; where a chunk is too large for the memory, parts of it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from attrs import evolve
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.samplers.state import State, states
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts, GentoolError

from ..processes.stopping import Stop, Stopped
from ..processes.world import World
from .room import Room

Walk = Callable[[Any, StepModel, tuple[int, ...], Draw, Condition], Iterator[State]]
"""`(sampler, model, shape of a sample, rng, condition)` -> states from noise to data, as `states` makes them."""


def sampling_draw(seed: int, first: int, stop: int, model: StepModel) -> Draw:
    """The source of noise for samples `first..stop - 1` of a seed, on the model's device."""
    weight = next(model.parameters())
    return Draw((seed, "sample"), first, stop, weight.device, weight.dtype)


def classes_of(seed: int, first: int, stop: int, classes: int, counts: Sequence[int] | None) -> Tensor:
    """Classes for unlabelled requests, `[n]`: drawn with the data's frequencies, a function of (seed, i)."""
    weights = torch.tensor(counts if counts else [1] * classes, dtype=torch.float64)
    u = Draw((seed, "classes"), first, stop, dtype=torch.float64).uniform("y")
    edges = (weights / weights.sum()).cumsum(0)
    return torch.searchsorted(edges, u, right=True).clamp(max=classes - 1)


def chunk_labels(
    facts: Facts, seed: int, first: int, stop: int, y: Tensor | None, counts: Sequence[int] | None
) -> Tensor | None:
    """Classes of samples `first..stop - 1`, of asked-for ones `y [n]`, padded, or drawn; None for an unconditional model."""
    if facts.classes is None:
        return None
    if y is None:
        return classes_of(seed, first, stop, facts.classes, counts)
    return torch.nn.functional.pad(y[first:stop], (0, max(0, stop - len(y))))


def whole_number(value: Any, what: str, least: int) -> int:
    """`value` as an int; noise is keyed by how a number is written, and numpy writes its own differently.

    Raises:
        GentoolError: it is no whole number, or less than `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise GentoolError(f"{what} is a whole number, not {value!r}") from None
    if number < least:
        raise GentoolError(f"{what} is {least} or more, not {number}")
    return number


@torch.no_grad()
def chunk(
    model: StepModel,
    sampler: Any,
    facts: Facts,
    seed: int,
    number: int,
    batch: int,
    y: Tensor | None = None,
    leave: Callable[[], bool] = lambda: False,
    walk: Walk | None = None,
    room: Room | None = None,
) -> State:
    """The last state of chunk `number`: samples `number * batch ...`, `y [batch]` their classes; in parts, where it is too
    large for the memory.

    Raises:
        Stopped: `leave`, which is asked after each state of the walk, once however often it is walked, said so.
        GentoolError: not even one sample fits into memory.
    """
    asked = 0

    def drawn(ranges: list[range]) -> State:
        nonlocal asked
        parts: list[State] = []
        for part in ranges:
            rng = sampling_draw(seed, number * batch + part.start, number * batch + part.stop, model)
            condition = Condition(y=None if y is None else y[part.start : part.stop].to(rng.device))
            last: State | None = None
            for at, last in enumerate((walk or states)(sampler, model, facts.shape, rng, condition)):  # noqa: B007 - the last one
                if at == asked:  # all processes ask equally often, whatever fits into the memory of each
                    asked += 1
                    if leave():
                        raise Stopped("sampling was stopped")
            assert last is not None
            parts.append(last)
        return parts[0] if len(parts) == 1 else evolve(parts[-1], x=torch.cat([p.x for p in parts]), x_0_hat=None)

    if walk is not None:  # it edits samples of which it has pictures and masks, chunk by chunk
        return drawn([range(batch)])
    return (room or Room("drawn")).within(batch, drawn)


def evaluations_of(model: StepModel, sampler: Any, facts: Facts) -> int:
    """Network evaluations that a sample takes, counted on one."""
    training = model.training
    model.eval()
    try:
        y = None if facts.classes is None else torch.zeros(1, dtype=torch.int64)
        return chunk(model, sampler, facts, 0, 0, 1, y).evaluations
    finally:
        model.train(training)


def draw_chunks(
    model: StepModel,
    sampler: Any,
    facts: Facts,
    n: int,
    seed: int,
    batch: int,
    y: Tensor | None = None,
    counts: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
    leave: Callable[[], bool] = lambda: False,
    walk: Walk | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """(chunk number, samples `[<= batch, *shape]` on the CPU), in order; of all chunks, `n` samples.

    Args:
        y: classes `[n]`; drawn with frequencies `counts` where the model is conditioned and none are given.
        numbers: chunks that are wanted, where not all are.
        leave: asked after each state; where that asks all processes (`Stop.agreed`), each must draw as many chunks, as `deal`
            has it.
        walk: makes the states of a chunk, in place of the sampler alone; editing has its own.

    Raises:
        Stopped: `leave` said so.
        GentoolError: the seed is no whole number from 0 on.
    """
    seed = whole_number(seed, "a seed", 0)
    room = Room("drawn")
    training = model.training
    model.eval()
    try:
        for number in range(-(-n // batch)) if numbers is None else numbers:
            first, stop = number * batch, (number + 1) * batch
            labels = chunk_labels(facts, seed, first, stop, y, counts)
            yield number, chunk(model, sampler, facts, seed, number, batch, labels, leave, walk, room).x[: n - first].cpu()
    finally:
        model.train(training)


def deal(numbers: Sequence[int], world: World) -> tuple[list[int], int]:
    """(chunks that this process draws, how many of them are wanted of it).

    Every process draws as many, since a model that is spread over all of them needs them all in every step: where the chunks do
    not come out even, some draw the last one too, for nothing.
    """
    mine = list(numbers[world.rank :: world.size])
    rounds = -(-len(numbers) // world.size)
    return [*mine, *list(numbers[-1:]) * (rounds - len(mine))], len(mine)


def draw_together(
    model: StepModel,
    sampler: Any,
    facts: Facts,
    n: int,
    seed: int,
    batch: int,
    world: World,
    stop: Stop,
    counts: Sequence[int] | None = None,
) -> Tensor | None:
    """`n` samples of a seed on the CPU, drawn by all processes and brought together at the first one; None at the others, and
    where a stop was agreed on meanwhile."""
    numbers, mine = deal(range(-(-n // batch)), world)
    try:
        chunks = list(draw_chunks(model, sampler, facts, n, seed, batch, None, counts, numbers, stop.agreed))
    except Stopped:
        return None
    found = [chunk for chunks in world.collected(chunks[:mine]) for chunk in chunks]
    return torch.cat([x for _, x in sorted(found, key=lambda chunk: chunk[0])]) if world.first else None
