"""Fréchet distances between features of samples and of real data.

    d² = |μ - μ_r|² + tr (Σ + Σ_r - 2 (Σ Σ_r)^½)

fid: on the features of Inception-v3 of 2015 with its official weights (Heusel et al. 2017, arXiv:1706.08500), and on nothing
else. fd: on any features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, ClassVar

from gentoolkit.components.features import Features
from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric

REFERENCE = "statistics of the real data in place of it: an .npz with mu and sigma, or with images arr_0"
MOST = 8192
"""Pixels of which a covariance is still made."""


@component
class FID(Metric):
    """Fréchet Inception distance, with the official network alone."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    better: ClassVar[Mapping[str, str]] = {"fid": "lower"}

    features: Features = opt("inception", "the network; FID is defined for this one alone")
    samples: int = opt(50_000, "samples that are judged", ge=2)
    real: int | None = opt(None, "real samples they are compared with; all of them unless given", ge=2)
    reference: str | None = opt(None, REFERENCE, path=True)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The network must be the official one."""
        if self.features.name.partition("@")[0] != "inception" or getattr(self.features, "weights", None) is not None:
            yield "features", "FID is a number of the official Inception network alone", 'use = "fd" for any other features'

    def files(self) -> tuple[str, ...]:
        """The file of statistics."""
        return (self.reference,) if self.reference else ()

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What collects features."""
        from .feature_distances import Frechet

        return Frechet("fid", parts["features"], facts, self.real, self.reference)


@component
class FD(Metric):
    """Fréchet distance in any feature space."""

    better: ClassVar[Mapping[str, str]] = {"fd": "lower"}

    features: Features = opt("pixels", "the feature space")
    samples: int = opt(50_000, "samples that are judged", ge=2)
    real: int | None = opt(None, "real samples they are compared with; all of them unless given", ge=2)
    reference: str | None = opt(None, REFERENCE, path=True)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """A covariance of the features must be of some size."""
        if self.features.name == "pixels" and prod(facts.shape) > MOST:
            yield "features", f"a covariance of {prod(facts.shape)} pixels is too large", 'features = "random"'

    def files(self) -> tuple[str, ...]:
        """The file of statistics."""
        return (self.reference,) if self.reference else ()

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What collects features."""
        from .feature_distances import Frechet

        return Frechet("fd", parts["features"], facts, self.real, self.reference)
