"""Layers that several networks are made of."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu


class Perceptron(nn.Module):
    """`depth` linear layers of `width` units, each followed by LeakyReLU(0.2), and the linear layer `out`.

    The first and the last layer see coordinates, whose third digit counts; they stay in full precision under autocast.
    """

    def __init__(self, inputs: int, width: int, depth: int, out: nn.Linear) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.out = out

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inputs]` -> `[B, outputs]`."""
        with full_precision(x.device):
            h = leaky_relu(self.first(x), 0.2)
        for layer in self.hidden:
            h = leaky_relu(layer(h), 0.2)
        with full_precision(x.device):
            result: Tensor = self.out(h.to(x.dtype))
            return result


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """A block without autocast, where there is any."""
    if device.type == "meta" or not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class ZeroConv2d(nn.Conv2d):
    """A convolution that starts at zero, also when a network built on the meta device is reset."""

    def reset_parameters(self) -> None:
        """All parameters 0."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ZeroLinear(nn.Linear):
    """A linear layer that starts at zero."""

    def reset_parameters(self) -> None:
        """All parameters 0."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ZeroEmbedding(nn.Embedding):
    """An embedding that starts at zero."""

    def reset_parameters(self) -> None:
        """All parameters 0."""
        nn.init.zeros_(self.weight)


def groups_of(channels: int) -> int:
    """The most groups, up to 32, that divide `channels` (at least 4) into groups of four or more."""
    return max(n for n in range(1, max(1, min(channels // 4, 32)) + 1) if channels % n == 0)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm with `groups_of(channels)` groups."""
    return nn.GroupNorm(groups_of(channels), channels, eps=1e-6)
