"""NCSN++ with adaptive group norm: residual blocks that resample, an image pyramid beside them, attention where asked.

    AdaGN(h; w)    = gamma(w) * GroupNorm(h) + beta(w)                              gamma, beta linear in w
    block(h; e, w) = (skip(R h) + Conv0(a(AdaGN(Conv(R a(AdaGN(h; w))) + shift(e); w)))) / sqrt 2      a = SiLU
    attend(h)      = (h + Out0(softmax(q^T k / sqrt C) v)) / sqrt 2                 q, k, v = Linear(GroupNorm(h)) per pixel
    pyramid(p, h)  = (Conv_stride2(blur(p)) + h) / sqrt 2                           p = x_t at the top

    x_t [B, C, H, W], level, condition (w, y)  ->  raw [B, raw_channels, H, W]

R halves or doubles the resolution, or is the identity. Down: per level `blocks` blocks, each attended where asked, then a
block with R and the pyramid. Between: block, attention, block. Up: per level `blocks` + 1 blocks on cat[h, skip], one
attention at the end where asked, then a block with R. Every activation on the way down is a skip. e is the embedding of the
level, plus that of the class. A subscript 0 marks a layer that starts near zero, so a fresh network puts out about 0. Attention
belongs to a level, so images need not be square; H and W must be multiples of 2^(levels - 1).

One linear layer makes gamma and beta of every block, another one every shift: fewer, larger operations. Activations are kept
channels-last, in which convolutions are fastest on CPUs and in bf16 on GPUs.

Source: Song et al. 2021, App. H (NCSN++, blocks of BigGAN); Xiao et al. 2022, App. C.1 (AdaGN, where time enters).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import group_norm, silu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.fir import blur, down2, filter_for, up2
from gentoolkit.components.networks.inputs import TimeEmbedding, labels
from gentoolkit.components.networks.layers import group_norm as plain_norm
from gentoolkit.components.networks.layers import groups_of
from gentoolkit.components.networks.scaled import SMALL, ScaledConv2d, ScaledLinear, scaled_
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts

RESCALE = math.sqrt(0.5)


@frozen
class Place:
    """Where a residual block stands: its channels, its level and what it does to the resolution."""

    inputs: int
    outputs: int
    level: int
    part: str
    """`down`, `middle` or `up`."""
    resample: str | None = None
    """`down`, `up` or None."""
    attends: bool = False


def places(config: Any) -> Iterator[Place]:
    """Every residual block of the network in the order in which it runs."""
    channels, last = [config.width * m for m in config.mults], len(config.mults) - 1
    c, skips = config.width, [config.width]
    for k, out in enumerate(channels):
        for _ in range(config.blocks):
            yield Place(c, out, k, "down", None, k in config.attention)
            c = out
            skips.append(c)
        if k < last:
            yield Place(c, c, k, "down", "down")
            skips.append(c)
    yield Place(c, c, last, "middle", None, True)
    yield Place(c, c, last, "middle")
    for k in reversed(range(last + 1)):
        for b in range(config.blocks + 1):
            yield Place(c + skips.pop(), channels[k], k, "up", None, b == config.blocks and k in config.attention)
            c = channels[k]
        if k:
            yield Place(c, c, k, "up", "up")


class Norm(nn.Module):
    """Group norm whose scale and offset come from the latent (`style`), or are learned where there is none; then SiLU."""

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

    def forward(self, h: Tensor, style: Tensor | None) -> Tensor:
        """Normalise and activate `h` [B, C, H, W]; `style` [B, 2C, 1, 1] holds gamma and beta."""
        h = group_norm(h, self.groups, self.weight, self.bias, eps=1e-6)
        if style is not None:
            gamma, beta = style.chunk(2, dim=1)
            h = torch.addcmul(beta, gamma, h)
        return silu(h)


class Styles(ScaledLinear):
    """The linear layer from w to (gamma, beta) of every norm; it starts around gamma = 1, beta = 0."""

    def __init__(self, w_dim: int, channels: Sequence[int]) -> None:
        self.channels = list(channels)
        super().__init__(w_dim, [2 * c for c in channels], "out")

    def reset_parameters(self) -> None:
        """Weights as the authors' other initialiser gives them, biases gamma 1 and beta 0."""
        super().reset_parameters()
        with torch.no_grad():
            for bias, c in zip(self.bias.split(self.parts), self.channels, strict=True):
                bias[:c] = 1

    def forward(self, w: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """The styles of `w` [B, w_dim], one [B, 2C, 1, 1] for each norm."""
        return torch.split(super().forward(w)[..., None, None], self.parts, dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions, each after an adaptive norm; the level shifts what lies between."""

    def __init__(self, place: Place, adaptive: bool, dropout: float) -> None:
        super().__init__()
        inputs, outputs, self.resample = place.inputs, place.outputs, place.resample
        self.norm_in = Norm(inputs, adaptive)
        self.conv_in = ScaledConv2d(inputs, outputs, 3)
        self.norm_out = Norm(outputs, adaptive)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = ScaledConv2d(outputs, outputs, 3, scale=SMALL)
        keeps = inputs == outputs and place.resample is None
        self.skip = nn.Identity() if keeps else ScaledConv2d(inputs, outputs, 1)

    def forward(self, h: Tensor, shift: Tensor, styles: Sequence[Tensor | None], k: Tensor | None) -> Tensor:
        """`h [B, in, H, W]`, `shift [B, out, 1, 1]`, filter `k` -> `[B, out, H', W']`."""
        r = self.norm_in(h, styles[0])
        if self.resample is not None:
            change = up2 if self.resample == "up" else down2
            r, h = change(r, k), change(h, k)
        r = self.conv_in(r) + shift
        r = self.conv_out(self.dropout(self.norm_out(r, styles[1])))
        out: Tensor = self.skip(h) + r
        return out * RESCALE


class SelfAttention(nn.Module):
    """Single-head attention over all pixels, written out because fused attention has no double backward."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = plain_norm(channels)
        self.qkv = ScaledConv2d(channels, 3 * channels, 1)
        self.out = ScaledConv2d(channels, channels, 1, scale=SMALL)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """q, k and v start as three layers of scale 0.1."""
        with torch.no_grad():
            for weight in self.qkv.weight.chunk(3):
                scaled_(weight, scale=0.1)

    def forward(self, h: Tensor) -> Tensor:
        """`[B, C, H, W]` -> the same."""
        q, k, v = self.qkv(self.norm(h)).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.transpose(1, 2) @ k * q.shape[1] ** -0.5, dim=2)
        attended = (v @ weights.transpose(1, 2)).view_as(h)
        out: Tensor = h + self.out(attended)
        return out * RESCALE


class Pyramid(nn.Module):
    """x_t, made smaller level by level and joined with the features: by `residual` convolutions or an `input-skip`."""

    def __init__(self, kind: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = kind == "residual"
        self.conv = ScaledConv2d(inputs, outputs, 3, stride=2) if self.residual else ScaledConv2d(inputs, outputs, 1)

    def forward(self, p: Tensor, h: Tensor, k: Tensor | None) -> tuple[Tensor, Tensor]:
        """The pyramid `p` one level up and the features `h` of this level -> (both of this level)."""
        if self.residual:
            # Without the filter the strided convolution sees one row and column of zeros below and to the right.
            p = nn.functional.pad(p, (0, 1, 0, 1)) if k is None else blur(p, k)
            p = (self.conv(p) + h) * RESCALE
            return p, p
        p = down2(p, k)
        return p, self.conv(p) + h


class Readout(nn.Module):
    """From features to an image: group norm, SiLU, a convolution that starts near zero."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.norm = Norm(channels, adaptive=False)
        self.conv = ScaledConv2d(channels, outputs, 3, scale=SMALL)

    def forward(self, h: Tensor) -> Tensor:
        """`[B, C, H, W]` -> `[B, outputs, H, W]`."""
        raw: Tensor = self.conv(self.norm(h, None))
        return raw


class NCSNppDenoiser(nn.Module):
    """The working half of `NCSNpp`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        width, adaptive, embedding = config.width, facts.w is not None, 4 * config.width
        self.tanh, self.fir, self.classes = config.tanh, config.fir, facts.classes
        self.places = list(places(config))
        channels = [width * m for m in config.mults]
        self.time = TimeEmbedding(config.time_input, width, embedding, ScaledLinear)
        self.label = None if facts.classes is None else nn.Embedding(facts.classes + 1, embedding)
        self.conv_in = ScaledConv2d(facts.shape[0], width, 3)
        self.residual = nn.ModuleList(ResidualBlock(p, adaptive, config.dropout) for p in self.places)
        self.attend = nn.ModuleList(SelfAttention(p.outputs) if p.attends else nn.Identity() for p in self.places)
        self.shifts = [p.outputs for p in self.places]
        self.shift = ScaledLinear(embedding, self.shifts)
        norms = [c for p in self.places for c in (p.inputs, p.outputs)]
        self.style = None if facts.w is None else Styles(facts.w, norms)
        kind, image = config.progressive_input, facts.shape[0]
        seen = ([image, *channels] if kind == "residual" else [image] * len(channels))[: len(channels) - 1]
        self.pyramid = nn.ModuleList(
            [] if kind == "none" else [Pyramid(kind, i, o) for i, o in zip(seen, channels[:-1], strict=True)]
        )
        reads = channels if config.progressive_output == "output-skip" else channels[:1]
        self.readout = nn.ModuleList(Readout(c, facts.raw_channels) for c in reads)

    @property
    def blocks(self) -> list[nn.Module]:
        """Where the engine may cut the network: into pieces that are sharded, or computed again, one by one."""
        return [*self.residual, *(a for a in self.attend if not isinstance(a, nn.Identity))]

    def forward(self, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """`x_t [B, C, H, W]` -> raw `[B, raw_channels, H, W]`."""
        e = self.time(level)
        if self.label is not None and self.classes is not None:
            e = e + self.label(labels(condition, self.classes, x_t))
        shifts = self.shift(silu(e))[..., None, None].split(self.shifts, dim=1)
        styles = [None] * (2 * len(shifts)) if self.style is None else self.style(condition.w)
        k = filter_for(x_t) if self.fir else None

        h: Tensor = self.conv_in(x_t).contiguous(memory_format=torch.channels_last)
        p, image, skips = x_t, None, [h]
        for i, (place, block, attend) in enumerate(zip(self.places, self.residual, self.attend, strict=True)):
            if place.part == "up" and place.resample is None:
                h = torch.cat([h, skips.pop()], dim=1)
            elif place.resample == "up":
                image = self.read(h, place.level, image, k)
            h = attend(block(h, shifts[i], styles[2 * i : 2 * i + 2], k))
            if place.resample == "down" and self.pyramid:
                p, h = self.pyramid[place.level](p, h, k)
            if place.part == "down":
                skips.append(h)
        raw = self.read(h, 0, image, k)
        assert raw is not None
        return raw.tanh() if self.tanh else raw

    def read(self, h: Tensor, level: int, image: Tensor | None, k: Tensor | None) -> Tensor | None:
        """The image so far, one level up and with this level's own added; None where this level makes none."""
        if level >= len(self.readout):
            return None
        made: Tensor = self.readout[level](h)
        return made if image is None else up2(image, k) + made
