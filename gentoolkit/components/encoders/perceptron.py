"""r(z | seen, x_t) = N(mean, std²), (mean, log std) = MLP([seen, x_t, level, onehot(y)])."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import level_input, onehot
from gentoolkit.components.networks.layers import Perceptron, ZeroLinear
from gentoolkit.diffusion import Gaussian, Level
from gentoolkit.registry import Facts


class MLPEncoder(nn.Module):
    """The working half of `MLP`; images are flattened."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        self.time_input, self.classes = config.time_input, facts.classes
        dims = torch.Size(facts.shape).numel()
        classes = 0 if facts.classes is None else facts.classes + 1
        # The last layer starts at zero, so that r starts at the prior.
        self.net = Perceptron(
            2 * dims + 1 + classes, config.width, config.depth, ZeroLinear(config.width, 2 * (facts.latent or 0))
        )

    def forward(self, seen: Tensor, x_t: Tensor, level: Level, condition: Condition) -> Gaussian:
        """r(z | seen, x_t), event shape `[dim]`."""
        inputs = [seen.flatten(1), x_t.flatten(1), level_input(level, self.time_input)[:, None].to(x_t.dtype)]
        if self.classes is not None:
            inputs.append(onehot(condition, self.classes, x_t))
        mean, log_std = self.net(torch.cat(inputs, dim=1)).chunk(2, dim=1)
        return Gaussian(mean, (2 * log_std.clamp(-10, 10)).exp())
