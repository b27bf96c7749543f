"""Layers that several networks are made of."""

from __future__ import annotations

from torch import nn


class Perceptron(nn.Sequential):
    """`depth` linear layers of `width` units, each followed by LeakyReLU(0.2), and a linear output layer."""

    def __init__(self, inputs: int, width: int, depth: int, out: nn.Linear) -> None:
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(inputs if i == 0 else width, width), nn.LeakyReLU(0.2)]
        super().__init__(*layers, out)


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
