"""A process's share of a global batch, in micro-batches, each with the source of its noise."""

from __future__ import annotations

from typing import Any

import torch

from gentoolkit.components.methods import Batch
from gentoolkit.diffusion import Draw
from gentoolkit.recipe.tree import Training

from .processes.world import World


def shares(
    batch: Batch, key: tuple[Any, ...], training: Training, world: World, dtype: torch.dtype
) -> tuple[list[Batch], list[Draw]]:
    """This process's batch in micro-batches, and the draw of each.

    Args:
        batch: this process's slots.
        key: what the noise is for: (step, update, repeat), and how often it was drawn anew.
        training: seed, batch size and micro-batch.
        world: which slots are this process's.
        dtype: of real draws.
    """
    first, stop = world.slots(training.batch_size)
    size = training.micro_batch or stop - first
    batches, draws = [], []
    for at in range(0, stop - first, size):
        rows = slice(at, at + size)
        batches.append(Batch(batch.x_0[rows], batch.condition[rows]))
        slots = (first + at, min(first + at + size, stop))
        draws.append(Draw((training.seed, "train", *key), *slots, world.device, dtype))
    return batches, draws
