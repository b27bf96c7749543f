"""Denoisers: the network of the denoising model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.fitting import network_fits
from gentoolkit.registry import Complaint, Component, Facts


class Denoiser(Component):
    """`build` returns an `nn.Module` with `forward(x_t, level, condition) -> raw [B, raw_channels, ...]`.

    A denoiser knows neither T nor the schedule: of t it sees the `Level`, of the latent and the class the `Condition`.
    A large network names its `blocks` (a `ModuleList`, or a property that returns a list of submodules): the engine cuts it
    there, into shards that are gathered one by one or activations that are computed again. A block is called as a module, and
    its parameters are used nowhere else.
    What it can take it says here; whether a recipe gives it something else is checked before anything is built.
    """

    slot: ClassVar[str] = "denoiser"
    offers: ClassVar[tuple[str, ...]] = ("any_time",)

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    """Kinds of data it takes: `image`, `points`."""
    takes_latent: ClassVar[bool] = False
    takes_class: ClassVar[bool] = False

    def any_time(self) -> bool:
        """Whether it takes a continuous time, so that it can be evaluated off its training grid."""
        return False

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """Whether samplers may use times that training did not."""
        return {"any_time": self.any_time()}

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The network's kinds of data, latent and conditions against the recipe's."""
        yield from network_fits(self, facts)
        if facts.latent is not None and not self.takes_latent:
            yield "use", f"it takes no latent, but the recipe has one of width {facts.latent}", 'set model.latent = "none"'
