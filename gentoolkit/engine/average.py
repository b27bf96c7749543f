"""Averages of a net's weights over the training: what samples, metrics and exports use.

    ema <- ema + (1 - d) (weights - ema)

with d in step t = 1, 2, ...

    min(decay, t/(9 + t)),   decay given or 2^(-batch/half_life); plainly decay where the first weights are not random
    (1 - 1/t)^(gamma + 1)    a power function: whenever one looks, the average is as wide as sigma_rel of the training so far

The second is Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models", 2024, Sec. 3.1: weights of
step s count in proportion to s^gamma, and sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy
import torch
from torch import Tensor, nn

from gentoolkit.components.methods import Plan
from gentoolkit.recipe.tree import Ema, Forgetting, Recipe

DEFAULT = "ema"
"""The average that `[ema]` describes, in checkpoints and as `--weights`."""


@cache
def exponent(sigma_rel: float) -> float:
    """gamma of the power function whose relative width is `sigma_rel`, from above 0 to 0.28."""
    inverse = sigma_rel**-2
    return float(numpy.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def decay_at(options: Ema | Forgetting, step: int, batch: int, random: bool = True) -> float:
    """The share of the old average kept in optimisation step `step` (0 is the first); it starts low where the first weights
    are random, so that they are forgotten at once."""
    if options.sigma_rel is not None:
        return float((1 - 1 / (step + 1)) ** (exponent(options.sigma_rel) + 1))
    decay = 0.5 ** (batch / options.half_life) if options.half_life else (options.decay or 0.0)
    return min(decay, (1 + step) / (10 + step)) if random else decay


def saved_as(name: str) -> str:
    """Where an average lies in a checkpoint, before its net's name: `ema`, or `ema.NAME` of the others."""
    return DEFAULT if name == DEFAULT else f"{DEFAULT}.{name}"


def forgetting(ema: Ema) -> dict[str, Ema | Forgetting]:
    """The averages of a recipe by name, the default one first."""
    return {DEFAULT: ema, **ema.more}


class Average:
    """A frozen copy of a net that follows it, in place.

    Args:
        net: the net that is trained.
        decay: the share of the old average that is kept, by step.
    """

    def __init__(self, net: nn.Module, decay: Callable[[int], float]) -> None:
        self.net, self.decay = net, decay
        self.module = copy.deepcopy(net).eval().requires_grad_(False)
        self._averages: list[Tensor] = list(self.module.parameters())
        self._weights = [w.detach() for w in net.parameters()]
        self._buffers = list(zip(self.module.buffers(), net.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow optimisation step `step`."""
        torch._foreach_lerp_(self._averages, self._weights, 1 - self.decay(step))
        for mine, theirs in self._buffers:
            mine.copy_(theirs)


def averages(recipe: Recipe, plan: Plan, modules: Mapping[str, nn.Module]) -> dict[str, Average]:
    """Every average of every averaged net, by `ema/NET` and `ema.NAME/NET`."""
    batch, start = recipe.training.batch_size, recipe.start

    def decay(how: Ema | Forgetting, net: str) -> Callable[[int], float]:
        return partial(decay_at, how, batch=batch, random=start is None or net in start.fresh)

    return {
        f"{saved_as(name)}/{net.name}": Average(modules[net.name], decay(how, net.name))
        for name, how in forgetting(recipe.ema).items()
        for net in plan.nets
        if net.ema
    }
