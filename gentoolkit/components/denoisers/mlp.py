"""The multilayer perceptron of the paper's toy experiment (App. C.5): x_t, t and z are concatenated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class MLP(Denoiser):
    """Fully connected layers with LeakyReLU(0.2) on the concatenation of x_t, time, latent and class."""

    kinds: ClassVar[tuple[str, ...]] = ("points", "image")
    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    width: int = opt(512, "units per hidden layer", ge=1)
    depth: int = opt(3, "hidden layers", ge=1)
    time_input: str = opt("time", "what of t is concatenated", choices=("time", "step", "log_snr"))
    sees_x_t: bool = opt(True, "whether x_t is concatenated; without it, at T = 1, it is the generator of a plain GAN")

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Without x_t there must be a latent, and one step."""
        if not self.sees_x_t and facts.latent is None:
            yield "sees_x_t", "without x_t and without a latent it is a constant", 'a [model.latent], as "gaussian"'
        elif not self.sees_x_t and facts.steps > 1:
            yield "sees_x_t", f"without x_t it cannot take the second of {facts.steps} steps", "process.steps = 1"

    def any_time(self) -> bool:
        """True unless it takes the step index."""
        return self.time_input != "step"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """An `MLPDenoiser`."""
        from .perceptron import MLPDenoiser

        return MLPDenoiser(self, facts)
