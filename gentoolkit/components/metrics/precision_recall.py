"""Precision and recall of samples against real data (Kynkäänniemi et al., 2019), computed by torch-fidelity.

precision   share of samples that lie in a ball around a real one, with the distance to its k-th neighbour as radius
recall      share of real samples that lie in such a ball around a generated one
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric

FEATURES = "space in which samples are compared; for natural images a network's, not pixels"


@component
class PrecisionRecall(Metric):
    """Precision (are samples like the data?) and recall (is all of the data there?) by nearest neighbours."""

    better: ClassVar[Mapping[str, str]] = {"precision": "higher", "recall": "higher", "f_score": "higher"}

    features: Features = opt("pixels", FEATURES)
    samples: int = opt(10_000, "samples that are judged", ge=2)
    real: int = opt(10_000, "real samples at most that they are compared with", ge=2)
    k: int = opt(3, "neighbour whose distance is the radius of a ball", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A k-th neighbour takes more than k samples."""
        yield from few(self)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What gathers features and asks torch-fidelity."""
        from .manifolds import Balls

        return Balls("precision-recall", parts["features"], facts.data, self.real, self.k)


def few(metric: Any) -> Iterable[Complaint]:
    """Complaints about fewer samples than neighbours."""
    for name in ("samples", "real"):
        if getattr(metric, name) <= metric.k:
            yield name, f"a neighbour number {metric.k} takes more than {metric.k} samples", f"{name} = 1000"
