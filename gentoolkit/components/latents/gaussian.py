"""z ~ N(0, I), seen by the network through StyleGAN's mapping network (paper, App. C.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.latents import Latent
from gentoolkit.registry import Facts, component, opt


@component
class GaussianLatent(Latent):
    """z ~ N(0, I) with a mapping network w = f(z); the latent of DDGAN and of the conditional VAE."""

    dim: int = opt(100, "width of z", ge=1)
    width: int = opt(256, "width of w and of the mapping network", ge=1)
    layers: int = opt(4, "linear layers of the mapping network; 0 gives the network z itself", ge=0)
    init: str = opt(
        "fan-in", "first weights of the mapping network: torch's own, or the authors'", choices=("fan-in", "fan-out")
    )

    def sizes(self, facts: Facts) -> tuple[int | None, int | None]:
        """(dim, width), or (dim, dim) without a mapping network."""
        return self.dim, self.width if self.layers else self.dim

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `MappedGaussian`."""
        from .mapping import MappedGaussian

        return MappedGaussian(self.dim, self.width, self.layers, self.init)
