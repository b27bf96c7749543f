"""What networks make of the level and the class before their first layer.

    e(s) = [sin(s f_0), ..., sin(s f_k), cos(s f_0), ..., cos(s f_k)],    f_j = 10000^(-j/k),    k = features/2 - 1
    embedding = Linear(SiLU(Linear(e(s))))

The scalar s is one of three readings of the same level: `step`, the index t - 1; `time`, the normalised time, times 1000
where it is embedded, so that it spans what DDPM's 1000 steps span; `log_snr`, clipped to [-20, 20] where it is embedded.

Source: Vaswani et al. (2017); Ho et al. (2020), App. B.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Level

TIME_INPUTS = ("step", "time", "log_snr")


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


def labels(condition: Condition, classes: int, like: Tensor) -> Tensor:
    """The condition's classes, int64 `[B]`; `classes` stands for a hidden label, and for all where there are none."""
    if condition.y is None:
        return torch.full((len(like),), classes, device=like.device)
    return condition.y


def onehot(condition: Condition, classes: int, like: Tensor) -> Tensor:
    """The condition's classes as `[B, classes + 1]` in the dtype of `like [B, ...]`."""
    return nn.functional.one_hot(labels(condition, classes, like), classes + 1).to(like.dtype)


def sinusoidal(scalar: Tensor, features: int) -> Tensor:
    """Sines and cosines of `scalar [B]` at geometrically spaced frequencies from 1 to 1e-4, `[B, features]`."""
    half = features // 2
    # Computed, not stored: a buffer would be lost when a network built on the meta device is materialised.
    index = torch.arange(half, device=scalar.device, dtype=scalar.dtype)
    angle = scalar.unsqueeze(1) * torch.exp(index * (-math.log(10_000) / (half - 1)))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class TimeEmbedding(nn.Module):
    """An embedding of the level read as `time_input`: `features` (even, at least 4) sinusoids, then two linear layers.

    `linear(in, out)` makes the layers, `activation` lies between them.
    """

    def __init__(
        self,
        time_input: str,
        features: int,
        embedding: int,
        linear: Callable[[int, int], nn.Linear] = nn.Linear,
        activation: Callable[[Tensor], Tensor] = nn.functional.silu,
    ) -> None:
        super().__init__()
        self.time_input, self.features, self.activation = time_input, features, activation
        self.hidden = linear(features, embedding)
        self.out = linear(embedding, embedding)

    def forward(self, level: Level) -> Tensor:
        """`[B, embedding]`."""
        scalar = level_input(level, self.time_input)
        if self.time_input == "time":
            scalar = scalar * 1000
        elif self.time_input == "log_snr":
            scalar = scalar.clamp(-20, 20)
        embedding: Tensor = self.out(self.activation(self.hidden(sinusoidal(scalar, self.features))))
        return embedding
