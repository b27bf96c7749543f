"""Batches as a function of the step.

Sample positions run 0, 1, 2, ... over the whole training; position p is item `permute(p mod N)` of epoch p div N. So the
order depends on the seed alone: not on workers, prefetching, world size or interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from gentoolkit.components.methods import Batch
from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Draw
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts

from .world import World

ROUNDS = 6


def keyed(*parts: Any) -> np.random.Generator:
    """A generator whose numbers depend on `parts` alone."""
    digest = blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))


@frozen
class Order:
    """A keyed permutation of N items per epoch, in O(1) memory: a Feistel network with cycle walking."""

    seed: int
    size: int

    def index(self, position: int) -> int:
        """The item at a position."""
        epoch, i = divmod(position, self.size)
        bits = max((self.size - 1).bit_length(), 2)
        half, mask = (bits + 1) // 2, (1 << ((bits + 1) // 2)) - 1
        keys = _round_keys(self.seed, epoch)
        while True:
            left, right = i >> half, i & mask
            for key in keys:
                left, right = right, left ^ (_mix(right ^ key) & mask)
            i = (left << half) | right
            if i < self.size:
                return i


_KEYS: dict[tuple[int, int], list[int]] = {}


def _round_keys(seed: int, epoch: int) -> list[int]:
    if (seed, epoch) not in _KEYS:
        if len(_KEYS) > 8:
            _KEYS.clear()
        _KEYS[seed, epoch] = [int(k) for k in keyed("order", seed, epoch).integers(0, 2**32, ROUNDS)]
    return _KEYS[seed, epoch]


def _mix(x: int) -> int:
    """A 32-bit mixer (multiply and xor-shift)."""
    x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


class Positions(Sampler[list[tuple[int, int]]]):
    """This rank's (position, index) pairs, batch by batch, from batch number `start` on, without end."""

    def __init__(self, order: Order, batch: int, slots: tuple[int, int], start: int) -> None:
        self.order, self.batch, self.slots, self.start = order, batch, slots, start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        number = self.start
        while True:
            first = number * self.batch
            yield [(p, self.order.index(p)) for p in range(first + self.slots[0], first + self.slots[1])]
            number += 1


class Items(torch.utils.data.Dataset[Any]):
    """A data set asked for whole batches of (position, index); random changes of an item are keyed by its position."""

    def __init__(self, source: Any, seed: int) -> None:
        self.source, self.seed = source, seed

    def __getitems__(self, pairs: list[tuple[int, int]]) -> dict[str, Tensor]:
        if hasattr(self.source, "item"):
            items = [self.source.item(i, keyed("item", self.seed, p)) for p, i in pairs]
        elif hasattr(self.source, "items"):
            whole = self.source.items(np.array([i for _, i in pairs]))
            return {name: torch.as_tensor(v) for name, v in whole.items()}
        else:
            items = [self.source[i] for _, i in pairs]
        return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in items[0]}


def whole(batch: dict[str, Tensor]) -> dict[str, Tensor]:
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
    """

    def __init__(
        self, source: Any, recipe: Recipe, facts: Facts, world: World, batches_per_step: int, start: int, dtype: torch.dtype
    ) -> None:
        training = recipe.training
        self.facts, self.world, self.dtype = facts, world, dtype
        self.seed, self.batch, self.dropout = training.seed, training.batch_size, recipe.model.label_dropout
        self.number = start * batches_per_step
        self.slots = world.slots(self.batch)
        positions = Positions(Order(training.seed, len(source)), self.batch, self.slots, self.number)
        self.loader = iter(
            DataLoader(
                Items(source, training.seed),
                batch_sampler=positions,
                num_workers=training.workers,
                collate_fn=whole,
                pin_memory=world.device.type == "cuda",
                persistent_workers=training.workers > 0,
            )
        )

    def next(self) -> Batch:
        """The next batch: x_0 in data range on the device, and its condition."""
        items = next(self.loader)
        device = self.world.device
        x_0 = to_data_range(items.pop("x_0").to(device, non_blocking=True), self.dtype)
        y = items.pop("y", None)
        if self.facts.classes is None or y is None:
            y = None
        else:
            y = y.to(device, torch.int64, non_blocking=True)
            if self.dropout > 0:
                hidden = Draw((self.seed, "labels", self.number), *self.slots, device=device).uniform("hidden") < self.dropout
                y = torch.where(hidden, self.facts.classes, y)
        tensors = {k: v.to(device, non_blocking=True) for k, v in items.items() if k in self.facts.tensors}
        self.number += 1
        return Batch(x_0, Condition(y=y, tensors=tensors))


def to_data_range(x: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 images as [-1, 1]; anything else in its own scale."""
    return x.to(dtype) / 127.5 - 1 if x.dtype == torch.uint8 else x.to(dtype)
