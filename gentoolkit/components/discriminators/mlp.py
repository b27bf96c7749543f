"""The discriminator of the paper's toy experiment (App. C.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.discriminators import Discriminator
from gentoolkit.registry import Facts, component, opt


@component
class MLP(Discriminator):
    """Fully connected layers with LeakyReLU(0.2) on the concatenation of x_{t-1}, x_t, time and class."""

    kinds: ClassVar[tuple[str, ...]] = ("points", "image")
    takes_class: ClassVar[bool] = True

    width: int = opt(512, "units per hidden layer", ge=1)
    depth: int = opt(3, "hidden layers", ge=1)
    time_input: str = opt("time", "what of t is concatenated", choices=("time", "step", "log_snr"))
    sees_x_t: bool = opt(True, "whether x_t is concatenated; without it, at T = 1, it is the discriminator of a plain GAN")

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """What is lost without x_t."""
        if not self.sees_x_t and facts.steps > 1:
            yield "sees_x_t", "it judges x_{t-1} by itself, so nothing holds a step to the x_t that it came from"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """An `MLPDiscriminator`."""
        from .perceptron import MLPDiscriminator

        return MLPDiscriminator(self, facts)
