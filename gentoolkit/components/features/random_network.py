"""The working half of `random`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from gentoolkit.diffusion import Draw

from .image_network import ImageNetwork


def random_features(channels: int, width: int, seed: int, model: nn.Module | None = None) -> ImageNetwork:
    """The network; its weights are normal with variance 2 / fan-in, a function of the arguments alone."""
    layers = []
    with torch.random.fork_rng(devices=[]):
        for i, (a, b) in enumerate(((channels, width), (width, 2 * width), (2 * width, 2 * width))):
            conv = nn.Conv2d(a, b, 3, stride=1 if i == 0 else 2, padding=1, bias=False)
            weight = Draw(("random features", seed, width, i), 0, b).normal("weight", (a, 3, 3))
            conv.weight.data.copy_(weight * math.sqrt(2 / (9 * a)))
            layers += [conv, nn.ReLU()]
    return ImageNetwork(f"random-{width}-{seed}", nn.Sequential(*layers), look, model)


def look(network: nn.Module, images: Tensor) -> Mapping[str, Tensor]:
    """`features` `[n, 8 width]`."""
    return {"features": functional.adaptive_avg_pool2d(network(images / 127.5 - 1), 2).flatten(1)}
