"""Numbers that follow from nearest neighbours in feature space; formulas and sources are in the metrics' own files."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gentoolkit.components.features.reference import Reference

from .nearest import BLOCK, nearest


def precision_recall(rows: NDArray[np.float32], real: Reference, k: int) -> dict[str, float]:
    """Improved `precision` and `recall` in [0, 1]."""
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    true = np.ascontiguousarray(real["features"])
    if min(len(rows), len(true)) <= k:
        return {"precision": float("nan"), "recall": float("nan")}
    precision, recall = calculate_precision_recall_part(torch.from_numpy(rows), torch.from_numpy(true), k, 2 * BLOCK)
    return {"precision": precision, "recall": recall}


def density_coverage(rows: NDArray[np.float32], real: Reference, k: int) -> dict[str, float]:
    """`density`, 1 where samples lie as the data do, and `coverage` in [0, 1]."""
    true = np.ascontiguousarray(real["features"])
    if len(true) <= k:
        return {"density": float("nan"), "coverage": float("nan")}
    radius = nearest(true, true, k, apart=True)[0][:, -1]
    others, middle = torch.from_numpy(true), torch.from_numpy(true).mean(0)
    inside, covered = 0, torch.zeros(len(true), dtype=torch.bool)
    for first in range(0, len(rows), BLOCK):
        a = torch.from_numpy(rows[first : first + BLOCK]) - middle
        within = torch.cdist(a, others - middle).double() < radius
        inside += int(within.sum())
        covered |= within.any(0)
    return {"density": inside / (k * len(rows)), "coverage": float(covered.double().mean())}


def neighbours(rows: NDArray[np.float32], real: Reference) -> dict[str, float]:
    """`memorised`, a share, and `distance_ratio`, 1 where samples are as far from the data as the data from each other."""
    true = np.ascontiguousarray(real["features"])
    if len(true) < 3:
        return {"memorised": float("nan"), "distance_ratio": float("nan")}
    to_real = nearest(rows, true, 2)[0]
    among = nearest(true, true, 1, apart=True)[0]
    typical = float(among.median())
    return {
        "memorised": float((to_real[:, 0] < to_real[:, 1] / 3).double().mean()),
        "distance_ratio": float(to_real[:, 0].median()) / typical if typical else float("nan"),
    }
