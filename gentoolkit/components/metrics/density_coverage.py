"""Density and coverage (Naeem et al., 2020, Eq. 5, 6): precision and recall that outliers do not spoil.

density    (1 / k n) Σ_samples number of real samples in whose ball it lies;   1 where samples are as dense as the data
coverage   share of real samples in whose ball a sample lies;                  the ball reaches to the k-th real neighbour
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Facts, component, opt

from . import Metric


@component
class DensityCoverage(Metric):
    """Fidelity and diversity in a feature space, measured by the balls of real samples alone."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    better: ClassVar[Mapping[str, str]] = {"density": "higher", "coverage": "higher"}

    features: Features = opt("pixels", "the space in which samples are compared")
    k: int = opt(5, "neighbour that a ball reaches to", ge=1)
    samples: int = opt(10_000, "samples that are judged", ge=10)
    real: int | None = opt(10_000, "real samples that they are compared with, as many as there are at most", ge=10)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The comparison."""
        from .compared import Compared
        from .neighbourhoods import density_coverage

        compare = partial(density_coverage, k=self.k)
        return Compared(f"density-coverage/k-{self.k}", parts["features"], self.real, facts.data, compare)
