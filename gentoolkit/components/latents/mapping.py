"""The mapping network: w = f(z / rms(z)), f a stack of linear layers with SiLU   (Karras et al., 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gentoolkit.components.networks.scaled import ScaledLinear
from gentoolkit.diffusion import Draw, Gaussian


class PixelNorm(nn.Module):
    """z / sqrt(mean(z²) + 1e-8) over the last dimension."""

    def forward(self, z: Tensor) -> Tensor:
        """`[B, dim]` -> `[B, dim]`."""
        return z * (z.square().mean(-1, keepdim=True) + 1e-8).rsqrt()


class MappedGaussian(nn.Module):
    """z ~ N(0, I_dim) and w = mapping(z).

    Args:
        dim: width of z.
        width: width of w and the hidden layers.
        layers: linear layers, each followed by SiLU; 0 for w = z.
        init: `fan-in`, torch's own, or `fan-out`, the authors' (`networks/scaled.py`).
    """

    def __init__(self, dim: int, width: int, layers: int, init: str = "fan-in") -> None:
        super().__init__()
        self.dim = dim
        blocks: list[nn.Module] = [PixelNorm()] if layers else []
        for i in range(layers):
            fan_in = dim if i == 0 else width
            blocks += [nn.Linear(fan_in, width) if init == "fan-in" else ScaledLinear(fan_in, width, "out"), nn.SiLU()]
        self.mapping = nn.Sequential(*blocks)

    def draw(self, rng: Draw) -> Tensor:
        """z `[B, dim]`."""
        return rng.normal("z", (self.dim,))

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z) in nats, `[B]`."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)

    def kl(self, r: Gaussian) -> Tensor:
        """KL(r ‖ p(z)) in nats, `[B]`, in closed form."""
        return r.kl(Gaussian(torch.zeros_like(r.mean), torch.ones_like(r.mean)))

    def forward(self, z: Tensor) -> Tensor:
        """w `[B, width]`."""
        w: Tensor = self.mapping(z)
        return w
