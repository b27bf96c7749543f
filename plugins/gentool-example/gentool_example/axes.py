"""The working half of `mixture`.

log p(z) = log (1/dim) Σ_k N(z; distance e_k, I)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gentoolkit.diffusion import Draw


class MixtureOnAxes(nn.Module):
    """z and its density, and w as networks see it.

    Args:
        dim: width of z, number of Gaussians.
        distance: of the means from the origin.
        width: of w.
    """

    def __init__(self, dim: int, distance: float, width: int) -> None:
        super().__init__()
        self.dim, self.distance = dim, distance
        self.embed = nn.Linear(dim, width)

    def draw(self, rng: Draw) -> Tensor:
        """z `[B, dim]`; all that is random comes from `rng`, each draw under a name of its own."""
        z = rng.normal("z", (self.dim,))
        k = rng.integers("k", 0, self.dim - 1)
        return z + self.distance * nn.functional.one_hot(k, self.dim).to(z.dtype)

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z) in nats, `[B]`."""
        # ‖z - distance e_k‖² = ‖z‖² - 2 distance z_k + distance²
        nearness = torch.logsumexp(self.distance * z, dim=1) - 0.5 * self.distance**2 - math.log(self.dim)
        return nearness - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def forward(self, z: Tensor) -> Tensor:
        """w `[B, width]`."""
        w: Tensor = self.embed(z)
        return w
