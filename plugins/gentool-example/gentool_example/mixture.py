"""z from a mixture of equal Gaussians, one per dimension   (after DeLiGAN, Gurumurthy et al., 2017; here with fixed means).

k ~ uniform{1, ..., dim},   z = distance e_k + N(0, I),   w = Linear(z)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit import Facts, component, opt
from gentoolkit.components.latents import Latent


@component
class Mixture(Latent):
    """z from one of `dim` Gaussians on the axes of its space, seen by the network through a linear layer."""

    dim: int = opt(8, "width of z, and number of Gaussians", ge=1)
    distance: float = opt(4.0, "of the Gaussians' means from the origin; 0 is one standard Gaussian", ge=0)
    width: int = opt(32, "width of w", ge=1)

    def sizes(self, facts: Facts) -> tuple[int | None, int | None]:
        """(dim, width)."""
        return self.dim, self.width

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `MixtureOnAxes`."""
        from .axes import MixtureOnAxes  # the half that imports torch

        return MixtureOnAxes(self.dim, self.distance, self.width)
