"""Noise at a random level: that of the forward process, one for both of a pair, and instance noise on one of them."""

from __future__ import annotations

from torch import Tensor

from gentoolkit.diffusion import Draw, GaussianForward, per_sample


class Noised:
    """The working half of `Diffusion`: alpha_t x + sigma_t eps at a random t below the last one.

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


class Instance:
    """The working half of `InstanceNoise`: x + s eps.

    Args:
        smallest: smallest s > 0.
        largest: largest s.
        share: of the samples with s > 0.
    """

    def __init__(self, smallest: float, largest: float, share: float) -> None:
        self.smallest, self.ratio, self.share = smallest, largest / smallest, share

    def __call__(self, x: Tensor, rng: Draw) -> Tensor:
        """`[B, *shape]`."""
        eps = rng.normal("eps", tuple(x.shape[1:])).to(x.dtype)
        s = self.smallest * self.ratio ** rng.uniform("size") * (rng.uniform("noisy") < self.share)
        noised: Tensor = x + per_sample(s, x).to(x.dtype) * eps
        return noised
