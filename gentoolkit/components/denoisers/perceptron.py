"""raw = MLP([x_t, level, w, onehot(y)]), or without x_t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import level_input, onehot
from gentoolkit.components.networks.layers import Perceptron
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts


class MLPDenoiser(nn.Module):
    """The working half of `MLP`; images are flattened."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        self.time_input, self.classes, self.sees_x_t = config.time_input, facts.classes, config.sees_x_t
        self.shape = (facts.raw_channels, *facts.shape[1:])
        dims = torch.Size(facts.shape).numel() if config.sees_x_t else 0
        # One class more than there are labels: the last one stands for a hidden label.
        conditions = 1 + (facts.w or 0) + (0 if facts.classes is None else facts.classes + 1)
        self.net = Perceptron(
            dims + conditions, config.width, config.depth, nn.Linear(config.width, torch.Size(self.shape).numel())
        )

    def forward(self, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """`x_t [B, *shape]` -> raw `[B, raw_channels, ...]`."""
        seen = [x_t.flatten(1)] if self.sees_x_t else []
        seen.append(level_input(level, self.time_input)[:, None].to(x_t.dtype))
        if condition.w is not None:
            seen.append(condition.w)
        if self.classes is not None:
            seen.append(onehot(condition, self.classes, x_t))
        raw: Tensor = self.net(torch.cat(seen, dim=1)).unflatten(1, self.shape)
        return raw
