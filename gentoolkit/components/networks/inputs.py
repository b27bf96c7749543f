"""What networks make of the level and the class before their first layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Level


def level_input(level: Level, name: str) -> Tensor:
    """The `step` (t - 1), `time` or `log_snr` of a level, `[B]` in the level's dtype.

    Raises:
        ValueError: a step is asked for off the training grid.
    """
    if name != "step":
        value: Tensor = getattr(level, name)
        return value
    if level.index is None:
        raise ValueError("this network takes step indices and cannot be evaluated between the steps of its grid")
    return level.index.to(level.time.dtype)


def onehot(condition: Condition, classes: int, dtype: torch.dtype) -> Tensor:
    """The condition's class as `[B, classes + 1]`; the last column stands for a hidden label."""
    if condition.y is None:
        raise ValueError(f"this network was built for {classes} classes and was given none")
    return nn.functional.one_hot(condition.y, classes + 1).to(dtype)


def zero_(layer: nn.Module) -> None:
    """Set all parameters of a layer to 0."""
    for weight in layer.parameters():
        nn.init.zeros_(weight)


def sinusoidal(value: Tensor, width: int) -> Tensor:
    """sin and cos of `value [B]` at `width/2` frequencies from 1 down to 1e-4, `[B, width]` (Ho et al., 2020)."""
    half = width // 2
    exponent = torch.arange(half, device=value.device, dtype=value.dtype) / max(half - 1, 1)
    angle = value[:, None] * torch.exp(-math.log(10_000.0) * exponent)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Perceptron(nn.Sequential):
    """`depth` linear layers of `width` units, each followed by LeakyReLU(0.2), and a linear output layer."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [nn.Linear(inputs if i == 0 else width, width), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Linear(width, outputs))
