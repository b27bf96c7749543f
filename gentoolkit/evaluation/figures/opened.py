"""What figures are drawn of: an opened run, and real samples of its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentoolkit.diffusion import Draw
from gentoolkit.engine.assemble import build
from gentoolkit.engine.feed import to_data_range, unchanged
from gentoolkit.engine.models.trained import TrainedRun, load, load_reference
from gentoolkit.registry import GentoolError

BLOCK = 1024
"""Real samples that are read at once."""


def opened(run: TrainedRun | str | Path) -> TrainedRun:
    """The run itself, or that of a folder."""
    return run if isinstance(run, TrainedRun) else load(run)


def data_of(run: TrainedRun) -> Any:
    """The data that a run was trained on.

    Raises:
        GentoolError: they cannot be opened.
    """
    return build(run.recipe.data, run.facts, {}, load_reference)


def some_real(run: TrainedRun, n: int, seed: int, fewer: bool = False) -> tuple[Tensor, Tensor | None]:
    """(x_0 `[n, *shape]` in data range, classes `[n]` or None) of n different items of the data, chosen by the seed; with
    `fewer`, of all where there are not so many.

    Raises:
        GentoolError: the data cannot be opened, or have fewer.
    """
    source = data_of(run)
    if n >= len(source) and fewer:
        return read(source, np.arange(len(source)))
    if n > len(source):
        raise GentoolError(f"the data have {len(source)} items, fewer than {n}")
    chosen = first_different(seed, n, len(source))
    return read(source, chosen)


def first_different(seed: int, n: int, size: int) -> NDArray[np.int64]:
    """The first n different of an endless row of random items; those of fewer are the first of those of more."""
    found: dict[int, None] = {}
    start = 0
    while len(found) < n:
        found |= dict.fromkeys(Draw((seed, "real"), start, start + 64).integers("item", 0, size - 1).tolist())
        start += 64
    return np.array(list(found)[:n], dtype=np.int64)


def read(source: Any, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
    """(x_0 in data range, float32, classes or None) of some items, unchanged ones."""
    items = unchanged(source, indices)
    y = items.get("y")
    return to_data_range(items["x_0"], torch.float32), None if y is None else y.to(torch.int64)


def blocks(source: Any) -> Iterator[tuple[int, Tensor]]:
    """(index of the first, x_0 in data range) of consecutive items, `BLOCK` at a time."""
    for start in range(0, len(source), BLOCK):
        yield start, read(source, np.arange(start, min(start + BLOCK, len(source)), dtype=np.int64))[0]
