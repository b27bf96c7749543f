"""The changes of `DiffAug`, each by numbers of its own per sample; u ~ U[0, 1), x in [-1, 1].

    brightness    x + u - 1/2
    saturation    m + 2u (x - m)             m: mean over the colours of a pixel
    contrast      m + (u + 1/2) (x - m)      m: mean over the image
    translation   x moved by whole pixels, uniform on {-r, ..., r} in each direction, r = share of the side; zeros come in
    cutout        0 in a square whose centre is uniform on the image

Source: Zhao et al. (2020), Sec. 4 and App. A. Of a stack of images along channels each is changed by itself, by the same draw.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.components.networks.layers import full_precision
from gentoolkit.diffusion import Draw, per_sample


class Changes:
    """The working half of `DiffAug`.

    Args:
        channels: of one image.
        colour: whether colours change.
        translation: largest shift as a share of the side.
        cutout: side of the square as a share of the side.
    """

    def __init__(self, channels: int, colour: bool, translation: float, cutout: float) -> None:
        self.channels, self.colour, self.translation, self.cutout = channels, colour, translation, cutout

    def __call__(self, x: Tensor, rng: Draw) -> Tensor:
        """`[B, k C, H, W]`, k images of C channels each."""
        with full_precision(x.device):
            if self.colour:
                x = recoloured(x.unflatten(1, (-1, self.channels)), rng).flatten(1, 2)
            if self.translation:
                x = moved(x, self.translation, rng)
            return cut(x, self.cutout, rng) if self.cutout else x


def recoloured(x: Tensor, rng: Draw) -> Tensor:
    """Brightness, saturation, contrast of `x [B, k, C, H, W]`."""
    brightness, saturation, contrast = (per_sample(rng.uniform(n), x) for n in ("brightness", "saturation", "contrast"))
    x = x + (brightness - 0.5)
    grey = x.mean(2, keepdim=True)
    x = grey + 2 * saturation * (x - grey)
    level = x.mean((2, 3, 4), keepdim=True)
    return level + (contrast + 0.5) * (x - level)


def moved(x: Tensor, share: float, rng: Draw) -> Tensor:
    """`x [B, c, H, W]` shifted, as two products with 0-1 matrices: exact, and its gradient is deterministic everywhere."""
    for name, axis in (("down", 2), ("right", 3)):
        side = x.shape[axis]
        reach = int(side * share + 0.5)
        by = rng.integers(name, -reach, reach)
        at = torch.arange(side, device=x.device)
        # to[b, i, j] = 1 where pixel j goes to place i
        to = (at[:, None] - by[:, None, None] == at).to(x.dtype).unsqueeze(1)
        x = to @ x if axis == 2 else x @ to.mT
    return x


def cut(x: Tensor, share: float, rng: Draw) -> Tensor:
    """`x [B, c, H, W]` with a rectangle of zeros."""
    inside = []
    for name, axis in (("top", 2), ("left", 3)):
        side = x.shape[axis]
        size = int(side * share + 0.5)
        first = rng.integers(name, -(size // 2), side - (size + 1) // 2)[:, None]
        at = torch.arange(side, device=x.device)
        inside.append((at >= first) & (at < first + size))
    rows, columns = inside
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])
