"""Neighbours among the training data; the formulas are in `neighbours.py`."""

from __future__ import annotations

from typing import Any

import torch

from .distances import nearest, nearest_others
from .gathered import Gathered


class Nearness(Gathered):
    """Distances to the nearest of all training samples.

    Args:
        features: the built features.
        data: name of the real data.
        margin: of a training sample's own distance, below which a sample is a copy.
    """

    def __init__(self, features: Any, data: str, margin: float) -> None:
        super().__init__(f"neighbours/margin-{margin:g}", features, data, None, 2)
        self.margin = margin

    def compute(self) -> dict[str, float]:
        """`distance_ratio`, `authenticity`, `copied`."""
        samples, real = self.sides()
        own, others = nearest_others(real, 2)
        d, x = (found[:, 0] for found in nearest(samples, real))
        e = own[:, 0]
        # A training sample that is left out is no neighbour of its own nearest one.
        mutual = others[others[:, 0], 0] == torch.arange(len(real))
        left = torch.where(mutual, own[others[:, 0], 1], own[others[:, 0], 0])
        typical = max(float(e.median()), 1e-12)
        rounding = 1e-6 * typical
        copies = float((d < self.margin * e[x] + rounding).double().mean())
        expected = float((e < self.margin * left + rounding).double().mean())
        return {
            "distance_ratio": float(d.median()) / typical,
            "authenticity": float((d > e[x]).double().mean()),
            "copied": max(0.0, copies - expected) / max(1 - expected, 1e-12),
        }
