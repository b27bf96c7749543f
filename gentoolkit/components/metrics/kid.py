"""Kernel Inception distance (Bińkowski et al. 2018, arXiv:1801.01401): an unbiased estimate, for few samples, too.

MMD² with k(x, y) = (x·y / d + 1)³, mean and deviation over random subsets of both sides, as torch-fidelity has it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric


@component
class KID(Metric):
    """Kernel distance between features of samples and of real data; on any features, named in the protocol."""

    better: ClassVar[Mapping[str, str]] = {"kid": "lower"}

    features: Features = opt("inception", "the feature space")
    samples: int = opt(50_000, "samples that are judged", ge=2)
    real: int | None = opt(None, "real samples they are compared with; all of them unless given", ge=2)
    subsets: int = opt(100, "random subsets", ge=1)
    subset_size: int = opt(1000, "samples of a subset", ge=2)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A subset is no larger than the whole."""
        least = min(self.samples, self.real or self.samples)
        if self.subset_size > least:
            yield "subset_size", f"a subset of {self.subset_size} is more than the {least} samples", f"subset_size = {least}"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What collects features."""
        from .feature_distances import Kernel

        return Kernel(parts["features"], facts, self.real, self.subsets, self.subset_size)
