"""A compact U-Net for images of any size: residual blocks, adaptive group norm from a latent, self-attention where asked.

    AdaGN(h; w)    = gamma(w) * GroupNorm(h) + beta(w)                              gamma, beta linear in w
    block(h; e, w) = (skip(h) + Conv0(SiLU(AdaGN(Conv(SiLU(AdaGN(h; w))) + shift(e); w)))) / sqrt 2
    attend(h)      = (h + Out0(softmax(q^T k / sqrt C) v)) / sqrt 2                 q, k, v = Linear(GroupNorm(h)) per pixel

    x_t [B, C, H, W], level, condition (w, y)  ->  raw [B, raw_channels, H, W]

e is the embedding of the level, plus that of the class. A subscript 0 marks a layer that starts at zero, so that every
block starts as a scaled identity and the output as 0. H and W must be multiples of 2^(levels - 1).

One linear layer makes gamma and beta of every block, another one every shift: at small sizes the number of operations
costs more than their arithmetic. Differs from NCSN++ (DDGAN's generator) in having no FIR
resampling, no input pyramid and one skip per block.

Source: Ho et al. 2020 (blocks); Song et al. 2021 (the 1/sqrt 2); Xiao et al. 2022, App. C.1 (AdaGN).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, interpolate, silu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import ZeroConv2d, groups_of
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts


class Norm(nn.Module):
    """Group norm whose scale and offset come from the latent (`style`), or are learned where there is none."""

    def __init__(self, channels: int, adaptive: bool) -> None:
        super().__init__()
        self.groups = groups_of(channels)
        self.weight = None if adaptive else nn.Parameter(torch.empty(channels))
        self.bias = None if adaptive else nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """gamma 1, beta 0."""
        if self.weight is not None and self.bias is not None:
            nn.init.ones_(self.weight)
            nn.init.zeros_(self.bias)

    def forward(self, h: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalise `h` [B, C, H, W]; `style` [B, 2C, 1, 1] holds gamma - 1 and beta."""
        h = group_norm(h, self.groups, self.weight, self.bias, eps=1e-6)
        if style is None:
            return h
        gamma, beta = style.chunk(2, dim=1)
        return torch.addcmul(beta, gamma, h)


class Style(nn.Linear):
    """The linear layer from w to (gamma, beta) of every norm; it starts around gamma = 1, beta = 0."""

    def __init__(self, w_dim: int, channels: Sequence[int]) -> None:
        self.channels = list(channels)
        super().__init__(w_dim, 2 * sum(channels))

    def reset_parameters(self) -> None:
        """gamma around 1, beta around 0."""
        super().reset_parameters()
        one = [value for c in self.channels for value in (1.0, 0.0) for _ in range(c)]
        with torch.no_grad():
            self.bias.copy_(torch.tensor(one))

    def forward(self, w: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Split the styles of `w` [B, w_dim] into one [B, 2C, 1, 1] for each norm."""
        styles = super().forward(w).view(len(w), -1, 1, 1)
        return torch.split(styles, [2 * c for c in self.channels], dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions, each after an adaptive norm; the level shifts what lies between."""

    def __init__(self, in_channels: int, out_channels: int, adaptive: bool, dropout: float) -> None:
        super().__init__()
        self.norm_in = Norm(in_channels, adaptive)
        # The shift that follows has a bias of its own.
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm_out = Norm(out_channels, adaptive)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = ZeroConv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, h: Tensor, shift: Tensor, styles: Sequence[Tensor | None]) -> Tensor:
        """`h [B, in, H, W]`, `shift [B, out, 1, 1]` -> `[B, out, H, W]`."""
        r = self.conv_in(silu(self.norm_in(h, styles[0]))) + shift
        r = self.conv_out(self.dropout(silu(self.norm_out(r, styles[1]))))
        out: Tensor = self.skip(h) + r
        return out * math.sqrt(0.5)


class SelfAttention(nn.Module):
    """Single-head attention over all pixels, written out because fused attention has no double backward."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Norm(channels, adaptive=False)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)  # a bias of k would cancel in the softmax
        self.out = ZeroConv2d(channels, channels, 1)

    def forward(self, h: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same."""
        q, k, v = self.qkv(self.norm(h)).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.transpose(1, 2) @ k / math.sqrt(q.shape[1]), dim=2)
        attended = (v @ weights.transpose(1, 2)).view_as(h)
        out: Tensor = h + self.out(attended)
        return out * math.sqrt(0.5)


class UNetDenoiser(nn.Module):
    """The working half of `UNet`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        width, blocks, attention, dropout = config.width, config.blocks, config.attention, config.dropout
        levels, adaptive, embedding = len(config.mults), facts.w is not None, 4 * config.width
        self.tanh, self.depth, self.classes = config.tanh, blocks, facts.classes
        channels = [width * m for m in config.mults]
        self.time = TimeEmbedding(config.time_input, width, embedding)
        self.label = None if facts.classes is None else nn.Embedding(facts.classes + 1, embedding)
        self.conv_in = nn.Conv2d(facts.shape[0], channels[0], 3, padding=1)

        # Residual blocks in the order in which they run, as (in, out, level).
        down = [(channels[max(k - (b == 0), 0)], channels[k], k) for k in range(levels) for b in range(blocks)]
        middle = [(channels[-1], channels[-1], levels - 1)]
        up = [
            (channels[min(k + (b == 0), levels - 1)] + channels[k], channels[k], k)
            for k in reversed(range(levels)) for b in range(blocks)
        ]  # fmt: skip
        plan = down + middle + up
        self.residual = nn.ModuleList(ResidualBlock(i, o, adaptive, dropout) for i, o, _ in plan)
        self.attend = nn.ModuleList(SelfAttention(o) if k in attention else nn.Identity() for _, o, k in plan)
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.grow = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for c in channels[:0:-1])
        self.shift = nn.Linear(embedding, sum(o for _, o, _ in plan))
        self.shifts = [o for _, o, _ in plan]
        self.style = None if facts.w is None else Style(facts.w, [c for i, o, _ in plan for c in (i, o)])
        self.norm_out = Norm(channels[0], adaptive=False)
        self.conv_out = ZeroConv2d(channels[0], facts.raw_channels, 3, padding=1)

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.residual, *(a for a in self.attend if not isinstance(a, nn.Identity))]

    def forward(self, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """`x_t [B, C, H, W]` -> raw `[B, raw_channels, H, W]`."""
        e = self.time(level)
        if self.label is not None and self.classes is not None:
            e = e + self.label(labels(condition, self.classes, x_t))
        shifts = self.shift(silu(e)).unflatten(1, (-1, 1, 1)).split(self.shifts, dim=1)
        styles = [None] * (2 * len(shifts)) if self.style is None else self.style(condition.w)

        h: Tensor = self.conv_in(x_t)
        skips: list[Tensor] = []
        depth, levels = self.depth, len(self.shrink) + 1
        for i, (block, attend) in enumerate(zip(self.residual, self.attend, strict=True)):
            rising = i - depth * levels - 1  # blocks since the middle
            if rising >= 0:
                h = torch.cat([h, skips.pop()], dim=1)
            h = attend(block(h, shifts[i], styles[2 * i : 2 * i + 2]))
            if rising < -1:
                skips.append(h)
                if (i + 1) % depth == 0 and i + 1 < depth * levels:
                    h = self.shrink[i // depth](h)
            elif rising >= 0 and (rising + 1) % depth == 0 and rising + 1 < depth * levels:
                h = self.grow[rising // depth](interpolate(h, scale_factor=2.0, mode="nearest"))
        raw: Tensor = self.conv_out(silu(self.norm_out(h)))
        return raw.tanh() if self.tanh else raw
