"""Improved precision and recall (Kynkäänniemi et al., 2019, Eq. 1-3).

precision   share of samples that lie in a real sample's ball
recall      share of real samples that lie in a sample's ball;    the ball of a point reaches to its k-th neighbour of its kind
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Facts, component, opt

from . import Metric


@component
class PrecisionRecall(Metric):
    """Fidelity and diversity in a feature space: precision and recall of the two manifolds."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    better: ClassVar[Mapping[str, str]] = {"precision": "higher", "recall": "higher"}

    features: Features = opt("pixels", "the space in which samples are compared")
    k: int = opt(3, "neighbour that a ball reaches to", ge=1)
    samples: int = opt(50_000, "samples that are judged", ge=10)
    real: int | None = opt(50_000, "real samples that they are compared with, as many as there are at most", ge=10)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The comparison."""
        from .compared import Compared
        from .neighbourhoods import precision_recall

        compare = partial(precision_recall, k=self.k)
        return Compared(f"precision-recall/k-{self.k}", parts["features"], self.real, facts.data, compare)
