"""Inception score (Salimans et al. 2016, arXiv:1606.03498).

exp E_x KL(p(y | x) ‖ p(y)),   mean and deviation over splits, in an order that is shuffled as torch-fidelity does it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric


@component
class InceptionScore(Metric):
    """How sure a classifier is of each sample, and how evenly over classes; it knows no real data."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    better: ClassVar[Mapping[str, str]] = {"is": "higher"}

    features: Features = opt("inception", "the classifier")
    samples: int = opt(50_000, "samples that are judged", ge=2)
    splits: int = opt(10, "parts over which mean and deviation are taken", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The network must have classes, and a split a sample."""
        if not type(self.features).logits:
            yield "features", f"'{self.features.name}' is no classifier", 'features = "inception"'
        if self.splits > self.samples:
            yield "splits", f"{self.splits} parts are more than the {self.samples} samples"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What collects logits."""
        from .feature_distances import Score

        return Score(parts["features"], facts, self.splits)
