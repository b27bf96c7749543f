"""Resampling by two with the filter k = [1, 3, 3, 1]^T [1, 3, 3, 1] / 64, zeros beyond the border.

    up2(h)   = 4 k * stuff(h)          zeros between the pixels, the kernel's gain 4 for the three of four that are new
    down2(h) = (k * h) every second pixel
    blur(h)  = k * h, one pixel larger on each axis: what a strided 3x3 convolution without padding then halves

Each is one depthwise (transposed) convolution, so no compiled extension is needed, it has a double backward and
it keeps the memory layout of `h`.

Source: Zhang, *Making convolutional networks shift-invariant again* (2019); Karras et al. 2020 (StyleGAN2), App. B.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, interpolate


def filter_for(like: Tensor) -> Tensor:
    """k `[4, 4]` in the dtype and on the device of `like`; its values are exact in bf16 too.

    Made where it is used: a buffer would be lost when a network built on the meta device is materialised.
    """
    i = torch.arange(4, device=like.device, dtype=like.dtype)
    row = (1 + i * (3 - i)) / 8
    return torch.outer(row, row)


def up2(h: Tensor, k: Tensor | None) -> Tensor:
    """`[B, C, H, W]` -> `[B, C, 2H, 2W]`; without a filter every pixel is repeated."""
    if k is None:
        return interpolate(h, scale_factor=2.0, mode="nearest")
    return conv_transpose2d(h, _each(4 * k, h), stride=2, padding=1, groups=h.shape[1])


def down2(h: Tensor, k: Tensor | None) -> Tensor:
    """`[B, C, H, W]` -> `[B, C, H // 2, W // 2]`; without a filter the mean of 2x2 pixels."""
    if k is None:
        return avg_pool2d(h, 2)
    return conv2d(h, _each(k, h), stride=2, padding=1, groups=h.shape[1])


def blur(h: Tensor, k: Tensor) -> Tensor:
    """`[B, C, H, W]` -> `[B, C, H + 1, W + 1]`."""
    return conv2d(h, _each(k, h), padding=2, groups=h.shape[1])


def _each(k: Tensor, h: Tensor) -> Tensor:
    """The kernel for every channel of `h`, `[C, 1, 4, 4]`."""
    return k.to(h.dtype).expand(h.shape[1], 1, 4, 4)
