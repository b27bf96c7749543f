"""The encoder r(z | seen, x_t, t) of the conditional VAE: residual convolutions, then one linear layer to a diagonal Gaussian.

    block(h; e)     = (skip(h) + Conv(SiLU(GN(Conv(SiLU(GN(h))) + shift(e))))) / sqrt 2
    (mean, log_std) = Linear0(flatten(SiLU(GN(blocks(cat[seen, x_t])))))

    seen, x_t [B, C, H, W], level, condition (y)  ->  N(mean, exp(log_std)²) over z [B, dim]

`seen` is x_{t-1} or x_0. The subscript 0 marks a layer that starts at zero: r starts as the prior, and its KL at 0.
The last features are flattened, not pooled, because the latent has to say where things are; so the image shape is fixed.

Source: Kingma & Welling 2014; blocks as in the U-Net.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, silu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import ZeroLinear, group_norm
from gentoolkit.diffusion import Gaussian, Level
from gentoolkit.registry import Facts


class ResidualBlock(nn.Module):
    """Two convolutions, each after a group norm; the level shifts what lies between."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm_in = group_norm(in_channels)
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)  # the shift has a bias
        self.norm_out = group_norm(out_channels)
        self.conv_out = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, h: Tensor, shift: Tensor) -> Tensor:
        """`h [B, in, H, W]`, `shift [B, out, 1, 1]` -> `[B, out, H, W]`."""
        r = self.conv_in(silu(self.norm_in(h))) + shift
        r = self.conv_out(silu(self.norm_out(r)))
        out: Tensor = self.skip(h) + r
        return out * math.sqrt(0.5)


class ConvEncoder(nn.Module):
    """The working half of `Conv`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        channels, height, width_px = facts.shape
        width, blocks, mults = config.width, config.blocks, config.mults
        widths = [width * m for m in mults]
        plan = [(widths[max(k - (b == 0), 0)], widths[k]) for k in range(len(mults)) for b in range(blocks)]
        shrink = 2 ** (len(mults) - 1)
        self.depth, self.classes = blocks, facts.classes
        self.time = TimeEmbedding(config.time_input, width, 4 * width)
        self.label = None if facts.classes is None else nn.Embedding(facts.classes + 1, 4 * width)
        self.conv_in = nn.Conv2d(2 * channels, widths[0], 3, padding=1)
        self.residual = nn.ModuleList(ResidualBlock(i, o) for i, o in plan)
        self.shift = nn.Linear(4 * width, sum(o for _, o in plan))
        self.shifts = [o for _, o in plan]
        self.norm_out = group_norm(widths[-1])
        self.gaussian = ZeroLinear(widths[-1] * (height // shrink) * (width_px // shrink), 2 * (facts.latent or 0))

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.residual]

    def forward(self, seen: Tensor, x_t: Tensor, level: Level, condition: Condition) -> Gaussian:
        """r(z | seen, x_t), event shape `[dim]`."""
        e = self.time(level)
        if self.label is not None and self.classes is not None:
            e = e + self.label(labels(condition, self.classes, x_t))
        shifts = self.shift(silu(e)).unflatten(1, (-1, 1, 1)).split(self.shifts, dim=1)
        h = self.conv_in(torch.cat([seen, x_t], dim=1))
        for i, block in enumerate(self.residual):
            if i and i % self.depth == 0:
                h = avg_pool2d(h, 2)
            h = block(h, shifts[i])
        # In the precision of x: a KL of some thousandths would vanish in bf16.
        mean, log_std = self.gaussian(silu(self.norm_out(h)).flatten(1)).to(x_t.dtype).chunk(2, dim=1)
        return Gaussian(mean, (2 * log_std.clamp(-10, 10)).exp())
