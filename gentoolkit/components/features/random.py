"""A small random network: what it sees is arbitrary but always the same: for tests without weights, for quick numbers.

conv 3x3 -> relu -> conv 3x3, half the size -> relu -> conv 3x3, half the size -> relu -> means of four quarters
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.registry import Facts, component, opt

from . import Features


@component
class Random(Features):
    """A small random convolutional network, a function of its seed; needs no file. Good for comparing, not for reporting."""

    width: int = opt(16, "channels of the first layer; there are 8 times as many features", ge=1)
    seed: int = opt(0, "seed of its weights", ge=0)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The network."""
        from .random_network import random_features

        channels = 3 if facts.shape[0] == 1 else facts.shape[0]
        return random_features(channels, self.width, self.seed, parts.get("model"))
