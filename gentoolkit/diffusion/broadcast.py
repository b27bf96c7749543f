"""The one place where per-sample numbers meet per-element tensors."""

from __future__ import annotations

from torch import Tensor


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """`values [B]` as `[B, 1, ..., 1]` in the dtype of `like [B, *shape]`."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.dim() - 1))


def sum_per_sample(x: Tensor) -> Tensor:
    """`x [B, *shape]` summed over everything but the batch: `[B]`."""
    return x.flatten(1).sum(1)


def mean_per_sample(x: Tensor) -> Tensor:
    """`x [B, *shape]` averaged over everything but the batch: `[B]`."""
    return x.flatten(1).mean(1)
