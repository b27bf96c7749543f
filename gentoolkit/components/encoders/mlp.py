"""A fully connected inference network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.encoders import Encoder
from gentoolkit.registry import Facts, component, opt


@component
class MLP(Encoder):
    """Fully connected layers with LeakyReLU(0.2) on the concatenation of what is seen, x_t, time and class."""

    kinds: ClassVar[tuple[str, ...]] = ("points", "image")
    takes_class: ClassVar[bool] = True

    width: int = opt(512, "units per hidden layer", ge=1)
    depth: int = opt(3, "hidden layers", ge=1)
    time_input: str = opt("time", "what of t is concatenated", choices=("time", "step", "log_snr"))

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """An `MLPEncoder`."""
        from .perceptron import MLPEncoder

        return MLPEncoder(self, facts)
