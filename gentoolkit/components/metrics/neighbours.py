"""Memorisation: how near samples come to the very images that were trained on.

memorised        share of samples whose nearest real sample is three times nearer than the second nearest
                 (Yoon et al., 2023; Gu et al., 2023); in D dimensions chance alone gives 3^-D
distance_ratio   median distance of a sample to the nearest real one, over that of a real one to the nearest other;
                 0 for copies, about 1 for new samples of the same distribution, more for samples that are far off

A set in which the same image lies twice hides its copies from `memorised`; `distance_ratio` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Facts, component, opt

from . import Metric


@component
class Neighbours(Metric):
    """Copies of training data among the samples, by their nearest neighbours in a feature space."""

    kinds: ClassVar[tuple[str, ...]] = ("image", "points")
    better: ClassVar[Mapping[str, str]] = {"memorised": "lower"}

    features: Features = opt("pixels", "the space in which samples are compared")
    samples: int = opt(1000, "samples whose neighbours are looked for", ge=1)
    real: int | None = opt(None, "real samples among which they are; all unless given", ge=3)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The comparison."""
        from .compared import Compared
        from .neighbourhoods import neighbours

        return Compared("neighbours", parts["features"], self.real, facts.data, neighbours)
