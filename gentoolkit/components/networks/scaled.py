"""Layers with the initialisations of the authors' networks: uniform weights whose variance is scale / fan, biases 0.

    bound = sqrt(3 scale / fan)        fan-avg: fan = (fan_in + fan_out) / 2        fan-out: fan = fan_out

The generator's convolutions and time layers are fan-avg. Its mapping network, its adaptive norms and the whole
discriminator are fan-out: the authors' second initialiser is labelled fan-avg, and does that. A scale of `SMALL` is what
they write as zero: the layer starts at about 1e-5 of its usual size, so that gradients pass from the first step on.

Source: Glorot & Bengio 2010; Song et al. 2021 (NCSN++).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SMALL = 1e-10


def scaled_(weight: Tensor, scale: float = 1.0, fan: str = "avg") -> None:
    """Fill `weight` `[out, in, ...]` in place; `fan` is `avg` or `out`."""
    field = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * field, weight.shape[0] * field
    size = fan_out if fan == "out" else (fan_in + fan_out) / 2
    bound = math.sqrt(3 * scale / size)
    with torch.no_grad():
        weight.uniform_(-bound, bound)


class ScaledConv2d(nn.Conv2d):
    """A convolution with `same` padding for odd kernels at stride 1, and none at stride 2."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        scale: float = 1.0,
        fan: str = "avg",
        stride: int = 1,
        bias: bool = True,
    ) -> None:
        self.scale, self.fan = scale, fan
        super().__init__(in_channels, out_channels, kernel, stride, kernel // 2 if stride == 1 else 0, bias=bias)

    def reset_parameters(self) -> None:
        """Uniform weights, biases 0."""
        scaled_(self.weight, self.scale, self.fan)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ScaledLinear(nn.Linear):
    """A linear layer; `parts` are the widths of several layers on the same input that are computed as one."""

    def __init__(self, in_features: int, parts: int | list[int], fan: str = "avg") -> None:
        self.parts, self.fan = [parts] if isinstance(parts, int) else parts, fan
        super().__init__(in_features, sum(self.parts))

    def reset_parameters(self) -> None:
        """Uniform weights, each part's by its own fan; biases 0."""
        with torch.no_grad():
            for weight in self.weight.split(self.parts):
                scaled_(weight, fan=self.fan)
        nn.init.zeros_(self.bias)
