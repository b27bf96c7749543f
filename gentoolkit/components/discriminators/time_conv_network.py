"""The paper's discriminator of pairs (x_{t-1}, x_t): residual blocks without normalisation that the time shifts.

    block(h; e) = (Conv1x1(R h) + Conv0(R a(Conv(a(h)) + shift(e)))) / sqrt 2       a = LeakyReLU(0.2)
    features    = sum over pixels of a(Conv(cat[h, deviation]))                     h = blocks(Conv1x1(cat[x_prev, x_t]))
    logit       = v . features + bias  ( + V[y] . features )                        bias and V start at zero

    x_prev, x_t [B, C, H, W], level, condition (y)  ->  logits [B]

R halves the resolution with the FIR filter, or is the identity. The deviation is one channel: the standard deviation over the
samples of a group, averaged over features and pixels. A subscript 0 marks a convolution that starts near zero.

Source: Xiao et al. 2022 (DDGAN), App. C.1 and Table 7, and the authors' settings; Karras et al. 2018 (minibatch deviation);
Miyato & Koyama 2018 (projection of the class).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.fir import down2, filter_for
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import ZeroEmbedding
from gentoolkit.components.networks.scaled import SMALL, ScaledConv2d, ScaledLinear
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts

from .time_conv import PRESETS

FanOut = partial(ScaledLinear, fan="out")
activate = partial(leaky_relu, negative_slope=0.2)


def deviation(h: Tensor, group: int, layout: str) -> Tensor:
    """The mean standard deviation within each sample's group, `[B, 1, H, W]`.

    Args:
        h: features `[B, C, H, W]`.
        group: samples per group; where it does not divide B, the largest smaller number that does.
        layout: `contiguous`, neighbours; `reference`, every (B/group)-th sample.
    """
    b = len(h)
    group = next(g for g in range(min(group, b), 0, -1) if b % g == 0)
    contiguous = layout == "contiguous"
    exact = h.to(torch.promote_types(h.dtype, torch.float32))  # three digits of bf16 are few for a deviation
    groups: Tensor = exact.unflatten(0, (b // group, group) if contiguous else (group, b // group))
    over = 1 if contiguous else 0
    mean = (groups.var(over, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    each: Tensor = mean.repeat_interleave(group) if contiguous else mean.repeat(group)
    return each.to(h.dtype).view(b, 1, 1, 1).expand(b, 1, *h.shape[2:])


class Block(nn.Module):
    """Two convolutions around the time's shift; the second sees half the resolution if the block `halves` it."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.conv_in = ScaledConv2d(inputs, outputs, 3, fan="out")
        self.conv_out = ScaledConv2d(outputs, outputs, 3, scale=SMALL, fan="out")
        self.skip = ScaledConv2d(inputs, outputs, 1, fan="out", bias=False)

    def forward(self, h: Tensor, shift: Tensor, k: Tensor) -> Tensor:
        """`h [B, in, H, W]`, `shift [B, out, 1, 1]`, filter `k` -> `[B, out, H', W']`."""
        r = activate(self.conv_in(activate(h)) + shift)
        if self.halves:
            r, h = down2(r, k), down2(h, k)
        out: Tensor = self.skip(h) + self.conv_out(r)
        return out * math.sqrt(0.5)


class TimeConvDiscriminator(nn.Module):
    """The working half of `TimeConv`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        plan = config.blocks()
        widths = [2 * config.width, *(m * config.width for m, _ in plan)]
        self.group, self.layout, self.classes = config.stddev_group, config.stddev_layout, facts.classes
        self.time = TimeEmbedding(config.time_input, config.embedding, config.embedding, FanOut, activate)
        self.conv_in = ScaledConv2d(2 * facts.shape[0], widths[0], 1, fan="out")
        self.residual = nn.ModuleList(Block(i, o, h) for i, o, (_, h) in zip(widths, widths[1:], plan, strict=False))
        self.shifts = widths[1:]
        self.shift = ScaledLinear(config.embedding, self.shifts, "out")
        end = SMALL if PRESETS[config.preset].zero_end else 1.0
        self.conv_out = ScaledConv2d(widths[-1] + 1, widths[-1], 3, scale=end, fan="out")
        self.logit = ScaledLinear(widths[-1], 1, "out")
        self.label = None if facts.classes is None else ZeroEmbedding(facts.classes + 1, widths[-1])

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.residual]

    def forward(self, x_prev: Tensor, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """Logits `[B]`."""
        shifts = self.shift(activate(self.time(level)))[..., None, None].split(self.shifts, dim=1)
        k = filter_for(x_t)
        h: Tensor = self.conv_in(torch.cat([x_prev, x_t], dim=1)).contiguous(memory_format=torch.channels_last)
        for block, shift in zip(self.residual, shifts, strict=True):
            h = block(h, shift, k)
        h = self.conv_out(torch.cat([h, deviation(h, self.group, self.layout)], dim=1))
        features = activate(h).sum(dim=(2, 3))
        logits: Tensor = self.logit(features).squeeze(1).to(x_t.dtype)
        if self.label is None or self.classes is None:
            return logits
        projection: Tensor = (self.label(labels(condition, self.classes, x_t)) * features).sum(dim=1)
        return logits + projection
