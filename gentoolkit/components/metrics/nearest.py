"""Nearest neighbours in Euclidean space, by blocks: no matrix of all distances is ever held."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 1024
"""Rows whose distances to all others are held at once."""


def nearest(rows: NDArray[np.float32], others: NDArray[np.float32], k: int, apart: bool = False) -> tuple[Tensor, Tensor]:
    """(distances, indices), both `[n, k]`, nearest first, of the `k` nearest `others` `[N, d]` of each of `rows` `[n, d]`.

    Candidates come from the quick form ‖a‖² - 2 a·b + ‖b‖², which is wrong by rounding where two are all but equal; the
    distances are then taken again, float64, of the differences themselves.

    Args:
        apart: rows and others are the same samples, and none is its own neighbour.
    """
    b = torch.from_numpy(np.ascontiguousarray(others))
    middle = b.mean(0)  # nearer to the origin less is lost
    b = b - middle
    found_d, found_i = [], []
    wanted = min(k + 2 + apart, len(b))
    for first in range(0, len(rows), BLOCK):
        a = torch.from_numpy(np.ascontiguousarray(rows[first : first + BLOCK])) - middle
        quick = torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist")
        if apart:
            quick[torch.arange(len(a)), torch.arange(first, first + len(a))] = torch.inf
        i = quick.topk(wanted, largest=False).indices
        d = (a.double()[:, None] - b[i].double()).norm(dim=2)
        if apart:
            d[i == torch.arange(first, first + len(a))[:, None]] = torch.inf
        d, order = d.sort(dim=1, stable=True)
        found_d.append(d[:, :k])
        found_i.append(i.gather(1, order)[:, :k])
    return torch.cat(found_d), torch.cat(found_i)
