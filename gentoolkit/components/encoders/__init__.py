"""Encoders: r(z | seen, x_t), the inference network of a conditional VAE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from gentoolkit.components.fitting import network_fits
from gentoolkit.registry import Complaint, Component, Facts


class Encoder(Component):
    """`build` returns an `nn.Module` with `forward(seen, x_t, level, condition) -> Gaussian` over z, event shape `[dim]`;
    `seen` is x_{t-1} or x_0, as the method says. It may name its `blocks`, as a denoiser does."""

    slot: ClassVar[str] = "encoder"

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    takes_class: ClassVar[bool] = False

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The network's kinds of data and conditions against the recipe's; a latent to infer."""
        yield from network_fits(self, facts)
        if facts.latent is None:
            yield (
                "use",
                "the recipe has no latent, so there is nothing to infer",
                'drop = ["method.encoder"], or a model.latent',
            )
