"""Whether samples are copies of the training data, by nearest neighbours.

With d(y) the distance of a sample y to its nearest training sample x, and e(x) that of x to its nearest other one:

    distance_ratio   median d(y) / median e(x)
    authenticity     share of samples with d(y) > e(x)                                          (Alaa et al., 2022)
    copied           (c - c_0) / (1 - c_0), at least 0;   c the share of samples with d(y) < margin · e(x),
                     c_0 the same of the training samples, each left out of the rest in turn

Other real data give a distance ratio of 1 and nothing copied, whatever the dimension; copies 0 and 1. A ratio far above 1
means samples far from the data, of which none is a copy. Meehan et al. (2020) compare the same two distances by a rank test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Facts, component, opt

from . import Metric
from .precision_recall import FEATURES


@component
class Neighbours(Metric):
    """Memorisation: distances of samples to the training data beside those within the training data."""

    better: ClassVar[Mapping[str, str]] = {"copied": "lower"}

    features: Features = opt("pixels", FEATURES)
    samples: int = opt(1_000, "samples that are judged", ge=2)
    margin: float = opt(0.5, "share of a training sample's own distance below which another is a copy of it", gt=0, lt=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What gathers features and looks for neighbours."""
        from .nearness import Nearness

        return Nearness(parts["features"], facts.data, self.margin)
