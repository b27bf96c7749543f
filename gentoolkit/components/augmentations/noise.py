"""alpha_t x + sigma_t eps at a random t below the last one; see `diffusion.py`."""

from __future__ import annotations

from torch import Tensor

from gentoolkit.diffusion import Draw, GaussianForward


class Noised:
    """The working half of `Diffusion`.

    Args:
        channels: of one image, or dimensions of a point.
        process: the forward process whose levels are drawn.
    """

    def __init__(self, channels: int, process: GaussianForward) -> None:
        self.channels, self.process = channels, process

    def __call__(self, x: Tensor, rng: Draw) -> Tensor:
        """`[B, k C, ...]`, k of C channels each, all with the same level and the same noise."""
        each = x.unflatten(1, (-1, self.channels))
        eps = rng.normal("eps", tuple(each.shape[2:])).to(x.dtype).unsqueeze(1)
        return self.process.marginal(each, rng.integers("t", 1, self.process.T - 1), eps).flatten(1, 2)
