"""A transformer over patches, conditioned by adaptive layer norm that starts at zero (adaLN-zero).

    x    = patches of x_t, embedded, + sines and cosines of their row and column
    block: x = x + gate_1 * Attention(LN(x) (1 + scale_1) + shift_1)
           x = x + gate_2 * MLP(LN(x) (1 + scale_2) + shift_2)        the six linear in SiLU(e), starting at 0
    raw  = Linear0(LN(x) (1 + scale) + shift), the patches put together again
    e    = embedded level + class + Linear(w)

    x_t [B, C, H, W], level, condition (w, y)  ->  raw [B, raw_channels, H, W]

Every block starts as the identity and the output as 0. H and W must be multiples of the patch and need not be equal.

Source: Peebles and Xie (2023), Sec. 3. How w enters is ours: their model has no latent.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.layers import Mlp, PatchEmbed
from timm.models.vision_transformer import Attention
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pixel_shuffle, silu

from gentoolkit.components.model import Condition
from gentoolkit.components.networks.inputs import TimeEmbedding, labels, sinusoidal
from gentoolkit.components.networks.layers import ZeroLinear
from gentoolkit.diffusion import Level
from gentoolkit.registry import Facts

SINUSOIDS = 256


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LN(x) (1 + scale) + shift, for `x [B, N, hidden]` and `[B, 1, hidden]`."""
    return layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def positions(rows: int, columns: int, hidden: int, like: Tensor) -> Tensor:
    """Sines and cosines of the row and of the column of every patch, `[rows columns, hidden]`."""
    # Computed, not stored: a buffer would be lost when a network built on the meta device is materialised.
    y, x = (
        sinusoidal(torch.arange(n, device=like.device, dtype=like.dtype), hidden // 2)
        for n in (rows, columns)
    )  # fmt: skip
    return torch.cat([y.repeat_interleave(columns, dim=0), x.repeat(rows, 1)], dim=1)


class Block(nn.Module):
    """Attention and a perceptron, each behind a modulated norm and a gate."""

    def __init__(self, hidden: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attention = Attention(hidden, heads, qkv_bias=True)
        self.mlp = Mlp(hidden, int(hidden * mlp_ratio), act_layer=partial(nn.GELU, approximate="tanh"))
        self.modulate = ZeroLinear(hidden, 6 * hidden)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """`x [B, N, hidden]`, `e [B, 1, hidden]` -> `[B, N, hidden]`."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.modulate(e).chunk(6, dim=-1)
        x = x + gate_1 * self.attention(modulated(x, shift_1, scale_1))
        out: Tensor = x + gate_2 * self.mlp(modulated(x, shift_2, scale_2))
        return out


class DiTDenoiser(nn.Module):
    """The working half of `DiT`; see the head of this file for formula and shapes."""

    def __init__(self, config: Any, facts: Facts) -> None:
        super().__init__()
        channels, *size = facts.shape
        hidden, self.patch, self.classes = config.hidden, config.patch, facts.classes
        self.rows, self.columns = (side // config.patch for side in size)
        self.embed = PatchEmbed((size[0], size[1]), config.patch, channels, hidden)
        self.time = TimeEmbedding(config.time_input, SINUSOIDS, hidden)
        self.label = None if facts.classes is None else nn.Embedding(facts.classes + 1, hidden)
        self.latent = None if facts.w is None else nn.Linear(facts.w, hidden)
        self.blocks = nn.ModuleList(Block(hidden, config.heads, config.mlp_ratio) for _ in range(config.depth))
        self.modulate = ZeroLinear(hidden, 2 * hidden)
        self.out = ZeroLinear(hidden, config.patch**2 * facts.raw_channels)
        self.initialise()

    def initialise(self) -> None:
        """Xavier for what sees tokens and patches, a deviation of 0.02 for what makes e, zero biases; zero layers stay."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and not isinstance(module, ZeroLinear):
                nn.init.xavier_uniform_(module.weight.detach().flatten(1))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for layer in (self.time.hidden, self.time.out, self.label, self.latent):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.02)

    def forward(self, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
        """`x_t [B, C, H, W]` -> raw `[B, raw_channels, H, W]`."""
        e = self.time(level)
        if self.label is not None and self.classes is not None:
            e = e + self.label(labels(condition, self.classes, x_t))
        if self.latent is not None:
            e = e + self.latent(condition.w)
        e = silu(e).unsqueeze(1)
        x: Tensor = self.embed(x_t)
        x = x + positions(self.rows, self.columns, x.shape[2], x)
        for block in self.blocks:
            x = block(x, e)
        patches = self.out(modulated(x, *self.modulate(e).chunk(2, dim=-1)))
        return pixel_shuffle(patches.transpose(1, 2).unflatten(2, (self.rows, self.columns)), self.patch)
