"""The U-Net of DDPM as Improved DDPM and ADM grew it.

    block(h; e) = skip(R h) + Conv0(Drop(SiLU((1 + scale) * GN(r) + shift))),   r = Conv(R SiLU(GN(h)))      scale_shift
                  skip(R h) + Conv0(Drop(SiLU(GN(r + shift))))                                               without
    attend(h)   = h + Out0(softmax(q^T k / sqrt c) v)         per head of c channels, q, k, v = Linear(GN(h)) per pixel
    e           = embedded level + class + Linear(w);         scale, shift linear in SiLU(e)

    x_t [B, C, H, W], level, condition (w, y)  ->  raw [B, raw_channels, H, W]

R is nothing, or between levels the mean of 2x2 pixels on the way down and their repetition on the way up. A subscript 0 marks
a layer that starts at zero. On the way up each block sees what the mirrored block on the way down put out. One linear layer
makes every scale and shift: at small sizes the number of operations costs more than their arithmetic.

Source: Ho et al. (2020), App. B; Nichol and Dhariwal (2021), Sec. 3; Dhariwal and Nichol (2021), Sec. 3. How w enters is ours:
none of them has a latent.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, scaled_dot_product_attention, silu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import ZeroConv2d, ZeroLinear, group_norm
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts


def resampled(h: Tensor, resample: str) -> Tensor:
    """`h [B, C, H, W]` at half (`down`) or twice (`up`) the resolution, or as it is (`""`)."""
    if resample == "down":
        return avg_pool2d(h, 2)
    return interpolate(h, scale_factor=2.0, mode="nearest") if resample == "up" else h


class ResidualBlock(nn.Module):
    """Two convolutions after norms, modulated by the level; `modulations` numbers per sample do that."""

    def __init__(self, in_channels: int, out_channels: int, scale_shift: bool, dropout: float, resample: str = "") -> None:
        super().__init__()
        self.scale_shift, self.resample = scale_shift, resample
        self.modulations = (2 if scale_shift else 1) * out_channels
        self.norm_in = group_norm(in_channels)
        self.conv_in = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm_out = group_norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = ZeroConv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, h: Tensor, modulation: Tensor) -> Tensor:
        """`h [B, in, H, W]`, `modulation [B, modulations, 1, 1]` -> `[B, out, H', W']`."""
        r = self.conv_in(resampled(silu(self.norm_in(h)), self.resample))
        if self.scale_shift:
            scale, shift = modulation.chunk(2, dim=1)
            r = self.norm_out(r) * (1 + scale) + shift
        else:
            r = self.norm_out(r + modulation)
        out: Tensor = self.skip(resampled(h, self.resample)) + self.conv_out(self.dropout(silu(r)))
        return out


class Resample(nn.Module):
    """A convolution that halves the resolution, or follows its doubling; the level does not matter to it."""

    modulations = 0

    def __init__(self, channels: int, resample: str) -> None:
        super().__init__()
        self.up = resample == "up"
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if self.up else 2, padding=1)

    def forward(self, h: Tensor, modulation: Tensor) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H', W']`."""
        out: Tensor = self.conv(resampled(h, "up") if self.up else h)
        return out


class SelfAttention(nn.Module):
    """Multi-head attention over all pixels. Fused: a denoiser is never differentiated twice."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = ZeroLinear(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same."""
        pixels = self.norm(h).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(pixels).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attended = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        added: Tensor = self.out(attended).transpose(1, 2).unflatten(2, h.shape[2:])
        return h + added


class Stage(nn.Module):
    """A block, and attention after it where there is any."""

    def __init__(self, block: ResidualBlock | Resample, attend: SelfAttention | None = None) -> None:
        super().__init__()
        self.block, self.attend = block, attend

    def forward(self, h: Tensor, modulation: Tensor) -> Tensor:
        """`[B, in, H, W]` -> `[B, out, H', W']`."""
        h = self.block(h, modulation)
        return h if self.attend is None else self.attend(h)


class ADMDenoiser(nn.Module):
    """The working half of `ADM`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        self.classes, embedding = facts.classes, 4 * config.width
        self.time = TimeEmbedding(config.time_input, config.width, embedding)
        self.label = None if facts.classes is None else nn.Embedding(facts.classes + 1, embedding)
        self.latent = None if facts.w is None else nn.Linear(facts.w, embedding)

        def attention(channels: int, here: bool) -> SelfAttention | None:
            return SelfAttention(channels, channels // config.head_channels) if here else None

        def stage(inside: int, level: int) -> Stage:
            channels = config.width * config.mults[level]
            block = ResidualBlock(inside, channels, config.scale_shift, config.dropout)
            return Stage(block, attention(channels, level in config.attention))

        def resample(channels: int, way: str) -> Stage:
            if config.resample == "conv":
                return Stage(Resample(channels, way))
            return Stage(ResidualBlock(channels, channels, config.scale_shift, config.dropout, way))

        levels = len(config.mults)
        h = config.width * config.mults[0]
        self.conv_in = nn.Conv2d(facts.shape[0], h, 3, padding=1)
        self.down, self.middle, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        skips = [h]
        for level in range(levels):
            for _ in range(config.blocks):
                self.down.append(stage(h, level))
                h = config.width * config.mults[level]
                skips.append(h)
            if level + 1 < levels:
                self.down.append(resample(h, "down"))
                skips.append(h)
        for attends in (True, False):
            self.middle.append(Stage(ResidualBlock(h, h, config.scale_shift, config.dropout), attention(h, attends)))
        self.joins: list[bool] = []
        for level in reversed(range(levels)):
            for _ in range(config.blocks + 1):
                self.up.append(stage(h + skips.pop(), level))
                self.joins.append(True)
                h = config.width * config.mults[level]
            if level > 0:
                self.up.append(resample(h, "up"))
                self.joins.append(False)
        self.norm_out = group_norm(h)
        self.conv_out = ZeroConv2d(h, facts.raw_channels, 3, padding=1)

        self.sizes = [one.block.modulations for one in (*self.down, *self.middle, *self.up)]
        self.modulate = nn.Linear(embedding, sum(self.sizes))

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.down, *self.middle, *self.up]

    def forward(self, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """`x_t [B, C, H, W]` -> raw `[B, raw_channels, H, W]`."""
        e = self.time(level)
        if self.label is not None and self.classes is not None:
            e = e + self.label(labels(condition, self.classes, x_t))
        if self.latent is not None:
            e = e + self.latent(condition.w)
        modulations = iter(self.modulate(silu(e)).unflatten(1, (-1, 1, 1)).split(self.sizes, dim=1))

        h: Tensor = self.conv_in(x_t)
        skips = [h]
        for stage in self.down:
            h = stage(h, next(modulations))
            skips.append(h)
        for stage in self.middle:
            h = stage(h, next(modulations))
        for stage, joins in zip(self.up, self.joins, strict=True):
            h = stage(torch.cat([h, skips.pop()], dim=1) if joins else h, next(modulations))
        raw: Tensor = self.conv_out(silu(self.norm_out(h)))
        return raw
