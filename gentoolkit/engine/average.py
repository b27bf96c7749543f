"""Exponential moving average of a net's weights: what samples, metrics and exports use.

ema <- ema + (1 - d) (weights - ema),   d = min(decay, (1 + step)/(10 + step))
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gentoolkit.recipe.tree import Ema


def decay_at(options: Ema, step: int, batch: int) -> float:
    """The share of the old average kept in optimisation step `step` (0 is the first); it starts low, so that the random
    initial weights are forgotten at once."""
    decay = 0.5 ** (batch / options.half_life) if options.half_life else (options.decay or 0.0)
    return min(decay, (1 + step) / (10 + step))


class Average:
    """A frozen copy of a net that follows it, in place."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.module = copy.deepcopy(net).eval().requires_grad_(False)
        self._averages: list[Tensor] = list(self.module.parameters())
        self._weights = [w.detach() for w in net.parameters()]
        self._buffers = list(zip(self.module.buffers(), net.buffers(), strict=True))

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """One step."""
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
        for mine, theirs in self._buffers:
            mine.copy_(theirs)
