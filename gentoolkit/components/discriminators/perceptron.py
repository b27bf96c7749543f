"""logits = MLP([x_{t-1}, x_t, level, onehot(y)]), or without x_t."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import level_input, onehot
from gentoolkit.components.networks.layers import Perceptron, ZeroLinear
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts


class MLPDiscriminator(nn.Module):
    """The working half of `MLP`; images are flattened."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        self.time_input, self.classes, self.sees_x_t = config.time_input, facts.classes, config.sees_x_t
        dims = torch.Size(facts.shape).numel()
        classes = 0 if facts.classes is None else facts.classes + 1
        # The last layer starts at zero, so that D starts undecided: its loss is 2 ln 2.
        self.net = Perceptron(
            (1 + config.sees_x_t) * dims + 1 + classes, config.width, config.depth, ZeroLinear(config.width, 1)
        )

    def forward(self, x_prev: Tensor, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """Logits `[B]`."""
        seen = [x_prev.flatten(1), x_t.flatten(1)] if self.sees_x_t else [x_prev.flatten(1)]
        seen.append(level_input(level, self.time_input)[:, None].to(x_t.dtype))
        if self.classes is not None:
            seen.append(onehot(condition, self.classes, x_t))
        logits: Tensor = self.net(torch.cat(seen, dim=1)).squeeze(1)
        return logits
