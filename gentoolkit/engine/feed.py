"""Batches as a function of the step.

Sample positions run 0, 1, 2, ... over the whole training; position p is item `permute(p mod N)` of epoch p div N. So the
order depends on the seed alone: not on workers, prefetching, world size or interruptions.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from gentoolkit.components.methods import Batch
from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Draw
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts, GentoolError

from .processes.stopping import SIGNALS
from .processes.world import World
from .ring import Ring
from .storage.folder import HELD

ROUNDS = 6
AHEAD = 2
"""Batches that each worker prepares ahead."""


def keyed(*parts: Any) -> np.random.Generator:
    """A generator whose numbers depend on `parts` alone."""
    digest = blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))


@frozen
class Order:
    """A keyed permutation of N items per epoch, in O(1) memory: a Feistel network with cycle walking."""

    seed: Any
    size: int

    def indices(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The items at some positions."""
        epochs, within = np.divmod(positions, self.size)
        found = np.empty_like(positions)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            found[mine] = self._permute(within[mine].astype(np.uint64), int(epoch)).astype(np.int64)
        return found

    def _permute(self, i: NDArray[np.uint64], epoch: int) -> NDArray[np.uint64]:
        half = np.uint64((max((self.size - 1).bit_length(), 2) + 1) // 2)
        mask = (np.uint64(1) << half) - np.uint64(1)
        keys = keyed("order", self.seed, epoch).integers(0, 2**32, ROUNDS, dtype=np.uint64)
        result, walking = np.empty_like(i), np.arange(len(i))
        while len(walking):
            left, right = i >> half, i & mask
            for key in keys:
                left, right = right, left ^ (_mix(right ^ key) & mask)
            i = (left << half) | right
            inside = i < np.uint64(self.size)
            result[walking[inside]] = i[inside]
            i, walking = i[~inside], walking[~inside]
        return result


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 32-bit mixer of multiplications and shifts."""
    low = np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & low
    return x ^ (x >> np.uint64(16))


Numbers = NDArray[np.int64]


class Positions(Sampler[Any]):
    """This rank's (positions, indices, number), batch by batch, from batch number `start` on, without end.

    Where `again(number)` is not 0, the batch is that of another order.
    """

    def __init__(
        self, order: Order, batch: int, slots: tuple[int, int], start: int, again: Callable[[int], int] = lambda number: 0
    ) -> None:
        self.order, self.batch, self.slots, self.start, self.again = order, batch, slots, start, again

    def __iter__(self) -> Iterator[tuple[Numbers, Numbers, int]]:
        number = self.start
        while True:
            positions = np.arange(self.slots[0], self.slots[1], dtype=np.int64) + number * self.batch
            again = self.again(number)
            order = Order((self.order.seed, "again", again), self.order.size) if again else self.order
            yield positions, order.indices(positions), number
            number += 1


class Items(torch.utils.data.Dataset[Any]):
    """A data set asked for whole batches; random changes of an item are keyed by its position.

    Args:
        source: an opened data set.
        seed: of the run.
        ring: where images go instead of into the returned batch.
    """

    def __init__(self, source: Any, seed: int, ring: Ring | None = None) -> None:
        self.source, self.seed, self.ring = source, seed, ring

    def __getitems__(self, batch: tuple[Numbers, Numbers, int]) -> dict[str, Tensor] | str:
        """A batch; or, as the loader would wrap it in a traceback, the text of a `GentoolError`."""
        try:
            return self._batch(batch)
        except GentoolError as error:
            return str(error)

    def _batch(self, batch: tuple[Numbers, Numbers, int]) -> dict[str, Tensor]:
        positions, indices, number = batch
        rngs = [keyed("item", self.seed, p) for p in positions.tolist()] if hasattr(self.source, "item") else []
        if self.ring is not None:
            rest = self.source.fill(self.ring.place(number), indices, rngs)
            return {name: torch.as_tensor(value) for name, value in rest.items()}
        if rngs:
            return stacked([self.source.item(i, rng) for i, rng in zip(indices.tolist(), rngs, strict=True)])
        return unchanged(self.source, indices)


def unchanged(source: Any, indices: Numbers) -> dict[str, Tensor]:
    """Items of a data set without its random changes, `[n, ...]` by name: many at once where the set can."""
    if hasattr(source, "items"):
        return {name: torch.as_tensor(value) for name, value in source.items(indices).items()}
    return stacked([source[i] for i in indices.tolist()])


def stacked(items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Single items as a batch."""
    return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in items[0]}


def leave_to_the_parent(worker: int) -> None:
    """In a data worker: stop signals are the parent's business, and so is the lock of the run folder."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    while HELD:
        HELD.pop().close()


def whole(batch: Any) -> Any:
    """The collate function for items that come as batches."""
    return batch


class Feed:
    """Batch after batch of one rank, on its device, from a step on.

    Args:
        source: an opened data set.
        recipe: for batch size, seed, workers, label dropout.
        facts: kind of data and classes.
        world: which slots are this rank's.
        batches_per_step: batches that one optimisation step takes (n_critic).
        start: the step to start at.
        dtype: of points and images.
        again: how often the data of a step were drawn anew.
    """

    def __init__(
        self,
        source: Any,
        recipe: Recipe,
        facts: Facts,
        world: World,
        batches_per_step: int,
        start: int,
        dtype: torch.dtype,
        again: Callable[[int], int] = lambda step: 0,
    ) -> None:
        training = recipe.training
        self.facts, self.world, self.dtype = facts, world, dtype
        self.seed, self.batch, self.dropout = training.seed, training.batch_size, recipe.model.label_dropout
        self.number = start * batches_per_step
        self.slots = world.slots(self.batch)
        order = Order(training.seed, len(source))
        positions = Positions(order, self.batch, self.slots, self.number, lambda number: again(number // batches_per_step))
        self.ring = None
        if training.workers and hasattr(source, "fill"):
            C, H, W = facts.shape
            self.ring = Ring(AHEAD * training.workers, (self.slots[1] - self.slots[0], H, W, C))
        self.loader = iter(
            DataLoader(
                Items(source, training.seed, self.ring),
                batch_sampler=positions,
                num_workers=training.workers,
                prefetch_factor=AHEAD if training.workers else None,
                collate_fn=whole,
                pin_memory=world.device.type == "cuda",
                worker_init_fn=leave_to_the_parent,
                generator=torch.Generator(),
                persistent_workers=training.workers > 0,
            )
        )

    def take(self) -> dict[str, Tensor]:
        """The next batch as it comes from the source, on the CPU.

        Raises:
            GentoolError: an item cannot be used.
        """
        items: dict[str, Tensor] | str = next(self.loader)
        if isinstance(items, str):
            raise GentoolError(items)
        if self.ring is not None:
            images, kind = self.ring.batch(self.number), self.world.device.type
            if kind != "cpu":  # the copy to a device may be under way when the place is written again
                images = images.pin_memory() if kind == "cuda" else images.clone()
            items["x_0"] = images
        self.number += 1
        return items

    def next(self) -> Batch:
        """The next batch: x_0 in data range on the device, and its condition."""
        number, items = self.number, self.take()
        device = self.world.device
        x_0 = to_data_range(items.pop("x_0").to(device, non_blocking=True), self.dtype)
        y = items.pop("y", None)
        if self.facts.classes is None or y is None:
            y = None
        else:
            y = y.to(device, torch.int64, non_blocking=True)
            if self.dropout > 0:
                hidden = Draw((self.seed, "labels", number), *self.slots, device=device).uniform("hidden") < self.dropout
                y = torch.where(hidden, self.facts.classes, y)
        tensors = {k: v.to(device, non_blocking=True) for k, v in items.items() if k in self.facts.tensors}
        return Batch(x_0, Condition(y=y, tensors=tensors))


def to_data_range(x: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 images as [-1, 1]; anything else in its own scale."""
    if x.dtype != torch.uint8:
        return x.to(dtype)
    return x.to(dtype, memory_format=torch.contiguous_format) / 127.5 - 1
