"""A time-conditioned convolutional discriminator of pairs (x_{t-1}, x_t) that looks long at full resolution; no normalisation.

    block(h; e) = (Conv1x1(h) + Conv(a(Conv(a(h)) + shift(e)))) / sqrt 2        a = LeakyReLU(0.2)
    features    = sum over pixels of a(blocks(cat[x_prev, x_t]))                [B, C]
    logit       = v . features + bias  ( + V[y] . features )                    v, V and bias start at zero

    x_prev, x_t [B, C, H, W], level, condition (y)  ->  logits [B]

Level l runs at 1/2^l of the resolution; blocks lie before the pooling between two levels, so the first ones see every pixel.
With v = 0 the loss at initialisation is exactly 2 ln 2. Keep the lowest resolution at 4x4 or more: with a 2x2 map and a flat
linear layer in place of the sum it stopped learning within 200 steps on 8x8 digits.

Source: Xiao et al. 2022 (DDGAN), App. C.1 (blocks, sum, time); Miyato & Koyama 2018 (projection of the class).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import ZeroEmbedding, ZeroLinear
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts


class HeConv2d(nn.Conv2d):
    """A convolution that keeps the variance of what a leaky ReLU lets through (He et al., 2015)."""

    def reset_parameters(self) -> None:
        """He's normal weights, no bias."""
        nn.init.kaiming_normal_(self.weight, a=0.2)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ResidualBlock(nn.Module):
    """Two convolutions without normalisation; the level shifts what lies between."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_in = HeConv2d(in_channels, out_channels, 3, padding=1, bias=False)  # the shift has a bias
        self.conv_out = HeConv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else HeConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, h: Tensor, shift: Tensor) -> Tensor:
        """`h [B, in, H, W]`, `shift [B, out, 1, 1]` -> `[B, out, H, W]`."""
        r = self.conv_in(leaky_relu(h, 0.2)) + shift
        r = self.conv_out(leaky_relu(r, 0.2))
        out: Tensor = self.skip(h) + r
        return out * math.sqrt(0.5)


class ConvDiscriminator(nn.Module):
    """The working half of `Conv`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        width, blocks, mults = config.width, config.blocks, config.mults
        widths = [width * m for m in mults]
        plan = [(widths[max(k - (b == 0), 0)], widths[k]) for k in range(len(mults)) for b in range(blocks)]
        self.depth, self.classes = blocks, facts.classes
        self.time = TimeEmbedding(config.time_input, width, 4 * width)
        self.conv_in = HeConv2d(2 * facts.shape[0], widths[0], 3, padding=1)
        self.residual = nn.ModuleList(ResidualBlock(i, o) for i, o in plan)
        self.shift = nn.Linear(4 * width, sum(o for _, o in plan))
        self.shifts = [o for _, o in plan]
        self.logit = ZeroLinear(widths[-1], 1)
        self.label = None if facts.classes is None else ZeroEmbedding(facts.classes + 1, widths[-1])

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.residual]

    def forward(self, x_prev: Tensor, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """Logits `[B]`."""
        e = leaky_relu(self.time(level), 0.2)
        shifts = self.shift(e).unflatten(1, (-1, 1, 1)).split(self.shifts, dim=1)
        h = self.conv_in(torch.cat([x_prev, x_t], dim=1))
        for i, block in enumerate(self.residual):
            if i and i % self.depth == 0:
                h = avg_pool2d(h, 2)
            h = block(h, shifts[i])
        features = leaky_relu(h, 0.2).sum(dim=(2, 3))
        logits: Tensor = self.logit(features).squeeze(1).to(x_t.dtype)
        if self.label is None or self.classes is None:
            return logits
        projection: Tensor = (self.label(labels(condition, self.classes, x_t)) * features).sum(dim=1)
        return logits + projection
