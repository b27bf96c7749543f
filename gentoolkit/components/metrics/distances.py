"""Nearest rows in float64, by blocks: no matrix of all distances is ever held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gentoolkit.registry import GentoolError

PAIRS = 2**24
"""Distances that are held at once, 128 MiB."""


def blocks(a: NDArray[np.float32], b: NDArray[np.float32]) -> Iterator[tuple[int, Tensor]]:
    """(first row, distances `[block, len(b)]`) of rows `a [n, d]` to rows `b [m, d]`."""
    centre = torch.from_numpy(b.mean(0, dtype=np.float64))  # the product of far-off rows would cancel
    right = torch.from_numpy(b.astype(np.float64)) - centre
    size = max(1, PAIRS // max(len(b), 1))
    for first in range(0, len(a), size):
        yield first, torch.cdist(torch.from_numpy(a[first : first + size].astype(np.float64)) - centre, right)


def nearest(a: NDArray[np.float32], b: NDArray[np.float32], k: int = 1) -> tuple[Tensor, Tensor]:
    """(distances, indices), each `[n, k]`, of the k rows of `b` nearest to each row of `a`, the nearest first."""
    found = [apart.topk(k, largest=False) for _, apart in blocks(a, b)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def nearest_others(a: NDArray[np.float32], k: int = 1) -> tuple[Tensor, Tensor]:
    """(distances, indices), each `[n, k]`, of the k other rows nearest to each row of `a`."""
    found = []
    for first, apart in blocks(a, a):
        rows = torch.arange(len(apart))
        apart[rows, first + rows] = torch.inf
        found.append(apart.topk(k, largest=False))
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def enough(n: int, least: int, what: str) -> None:
    """Complain of too few samples for a metric that asks for their neighbours.

    Raises:
        GentoolError: there are fewer than `least`.
    """
    if n < least:
        raise GentoolError(f"{n} {what} are too few: their nearest neighbours are asked for, which takes {least} or more")
