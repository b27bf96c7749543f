"""The multilayer perceptron of the paper's toy experiment (App. C.5): x_t, t and z are concatenated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.registry import Facts, component, opt


@component
class MLP(Denoiser):
    """Fully connected layers with LeakyReLU(0.2) on the concatenation of x_t, time, latent and class."""

    kinds: ClassVar[tuple[str, ...]] = ("points", "image")
    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    width: int = opt(512, "units per hidden layer", ge=1)
    depth: int = opt(3, "hidden layers", ge=1)
    time_input: str = opt("time", "what of t is concatenated", choices=("time", "step", "log_snr"))

    def any_time(self) -> bool:
        """True unless it takes the step index."""
        return self.time_input != "step"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """An `MLPDenoiser`."""
        from .perceptron import MLPDenoiser

        return MLPDenoiser(self, facts)
