"""The working halves of `fid`, `fd`, `kid` and `is`; the formulas are in their config classes' modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentoolkit.components.features.reference import Reference, moments
from gentoolkit.registry import Facts, GentoolError

from .frechet import Gaussian, frechet
from .statistics_file import statistics_of


class OverFeatures:
    """Collects the features of samples; `layer` is which of them."""

    layer = "features"

    def __init__(self, name: str, features: Any, facts: Facts, reference: int | None) -> None:
        self.name, self.features, self.facts, self.reference = name, features, facts, reference
        self.rows: list[NDArray[np.float32]] = []
        self.real = ""

    def add(self, found: Mapping[str, NDArray[np.float32]]) -> None:
        """Take in a chunk's features."""
        self.rows.append(found[self.layer])

    def seen(self) -> NDArray[np.float32]:
        """All features, `[n, d]`."""
        return np.concatenate(self.rows)

    def told(self, *more: str) -> str:
        """Metric, network, number of samples, the real ones, quantisation, and what else the number depends on."""
        quantised = "uint8" if self.facts.kind == "image" else "float32"
        real = [self.real] if self.real else []
        return "/".join([self.name, self.features.key, str(sum(map(len, self.rows))), *real, quantised, *more])


class Frechet(OverFeatures):
    """The Fréchet distance between the features of samples and of real data, or of a file of statistics."""

    def __init__(self, name: str, features: Any, facts: Facts, reference: int | None, file: str | None) -> None:
        super().__init__(name, features, facts, reference if file is None else 0)
        self.file = file

    @property
    def protocol(self) -> str:
        """Network, samples, the real data and how many, quantisation."""
        return self.told()

    def prepare(self, reference: Reference) -> None:
        """The real side."""
        if self.file is not None:
            mean, covariance, self.real = statistics_of(self.file, self.features)
        else:
            mean, covariance = reference.statistics()
            self.real = f"{self.facts.data}-{reference.key}"
        self.gaussian = Gaussian.of(mean, covariance)

    def add(self, found: Mapping[str, NDArray[np.float32]]) -> None:
        """Take in a chunk's features.

        Raises:
            GentoolError: the file's statistics are of other features; said at the first chunk, not after the last.
        """
        here, there = found[self.layer].shape[1], len(self.gaussian.mean)
        if here != there:
            raise GentoolError(f"{self.file} is of {there} features, {self.features.key} has {here}")
        super().add(found)

    def compute(self) -> dict[str, float]:
        """The distance under the metric's name."""
        return {self.name: frechet(Gaussian.of(*moments(self.seen())), self.gaussian)}


class Kernel(OverFeatures):
    """Kernel distance over subsets, by torch-fidelity."""

    def __init__(self, features: Any, facts: Facts, reference: int | None, subsets: int, size: int) -> None:
        super().__init__("kid", features, facts, reference)
        self.subsets, self.size = subsets, size

    @property
    def protocol(self) -> str:
        """Network, samples, the real data and how many, quantisation, subsets."""
        return self.told(f"{self.subsets}x{self.size}")

    def prepare(self, reference: Reference) -> None:
        """The real side.

        Raises:
            GentoolError: there are fewer real samples than a subset has.
        """
        self.features_of_real = reference
        self.real = f"{self.facts.data}-{reference.key}"
        if len(reference["features"]) < self.size:
            raise GentoolError(
                f"kid: a subset of {self.size} is more than the {len(reference['features'])} real samples; set subset_size"
            )

    def compute(self) -> dict[str, float]:
        """`kid`, and `kid_std` over subsets."""
        from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

        options = {"kid_subsets": self.subsets, "kid_subset_size": self.size, "verbose": False}
        real = torch.from_numpy(np.array(self.features_of_real["features"]))  # a copy: they may lie in a file, read-only
        found = kid_features_to_metric(torch.from_numpy(self.seen()), real, **options)
        return {"kid": found[KEY_METRIC_KID_MEAN], "kid_std": found[KEY_METRIC_KID_STD]}


class Score(OverFeatures):
    """Inception score over splits, by torch-fidelity."""

    layer = "logits"

    def __init__(self, features: Any, facts: Facts, splits: int) -> None:
        super().__init__("is", features, facts, 0)
        self.splits = splits

    @property
    def protocol(self) -> str:
        """Network, samples, quantisation, splits."""
        return self.told(f"{self.splits}-splits")

    def prepare(self, reference: Reference) -> None:
        """Nothing: the score knows no real data."""

    def compute(self) -> dict[str, float]:
        """`is`, and `is_std` over splits."""
        from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

        found = isc_features_to_metric(torch.from_numpy(self.seen()), self.splits)
        return {"is": found[KEY_METRIC_ISC_MEAN], "is_std": found[KEY_METRIC_ISC_STD]}
