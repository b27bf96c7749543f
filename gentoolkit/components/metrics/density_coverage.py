"""Density and coverage of samples against real data (Naeem et al., 2020).

    density    1/(k M) Σ_j Σ_i [y_j in B_i]          coverage   1/N Σ_i [some y_j in B_i]

x_i real, y_j samples, B_i the closed ball around x_i that reaches to its k-th other real neighbour. Both about 1 for the data;
density is above 1 for samples that keep to where the data are dense, so more of it is not better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric
from .precision_recall import FEATURES, few


@component
class DensityCoverage(Metric):
    """Density (do samples lie where the data are dense?) and coverage (has every real sample one nearby?)."""

    better: ClassVar[Mapping[str, str]] = {"coverage": "higher"}

    features: Features = opt("pixels", FEATURES)
    samples: int = opt(10_000, "samples that are judged", ge=2)
    real: int = opt(10_000, "real samples at most that they are compared with", ge=2)
    k: int = opt(5, "neighbour whose distance is the radius of a ball", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A k-th neighbour takes more than k samples."""
        yield from few(self)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What gathers features and counts samples in balls."""
        from .manifolds import Occupied

        return Occupied("density-coverage", parts["features"], facts.data, self.real, self.k)
