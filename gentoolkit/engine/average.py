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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from gentoolkit.components.methods import Plan
from gentoolkit.recipe.tree import Ema, Forgetting, Recipe

from .processes.wrap import local, shares_of

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
    """A frozen copy of a net that follows it, in place; in the same shards, where the net lies in shards.

    Args:
        net: the net that is trained.
        decay: the share of the old average that is kept, by step.
        hollow: the same module without memory (`hollow`), where `net` lies in shards.
    """

    def __init__(self, net: nn.Module, decay: Callable[[int], float], hollow: nn.Module | None = None) -> None:
        self.net, self.decay = net, decay
        self.module = copy.deepcopy(net).eval().requires_grad_(False) if hollow is None else hollow
        self._sharded = hollow is not None
        self.table: dict[str, Tensor] = shares_of(net) if hollow else dict(self.module.state_dict())
        """The averaged tensors by the names of the net's state dict."""
        self._averages = [local(self.table[name]) for name, _ in net.named_parameters()]
        self._weights = [local(w.detach()) for w in net.parameters()]
        self._buffers = [(self.table[name], b) for name, b in net.named_buffers() if name in self.table]

    @torch.no_grad()
    def update(self, step: int, held: Tensor | None = None) -> None:
        """Follow optimisation step `step`, unless `held`, a flag on the device, says that the net took none."""
        share = 1 - self.decay(step)
        if held is None or held.device.type == "cpu":
            if held is not None and held:
                return
            torch._foreach_lerp_(self._averages, self._weights, share)
        else:  # the same without waiting for the device to know
            change = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(change, torch.where(held, 0.0, share))
            torch._foreach_add_(self._averages, change)
        for mine, theirs in self._buffers:
            mine.copy_(theirs)

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The average as a module to sample from. Where it lies in shards, all processes must call this together, and hold
        all of it for as long as the block runs; what they do inside is their own."""
        if not self._sharded:
            yield self.module
            return
        module = self.module.to_empty(device=next(iter(self.table.values())).device)
        try:
            with torch.no_grad():
                for name, tensor in module.state_dict().items():
                    tensor.copy_(full(self.table[name]))
                for (_, mine), (_, theirs) in zip(module.named_buffers(), self.net.named_buffers(), strict=True):
                    mine.copy_(theirs)
            yield module
        finally:
            module.to("meta")


def hollow(net: nn.Module) -> nn.Module:
    """A frozen copy of a module whose weights and buffers have no memory."""
    bare: dict[int, Tensor] = {id(b): b.to("meta") for b in net.buffers()}
    bare |= {id(p): nn.Parameter(p.detach().to("meta"), requires_grad=False) for p in net.parameters()}
    return copy.deepcopy(net, bare).eval()


def full(tensor: Tensor) -> Tensor:
    """A tensor with the shards of all processes put together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def averages(
    recipe: Recipe, plan: Plan, modules: Mapping[str, nn.Module], hollows: Mapping[str, nn.Module]
) -> dict[str, Average]:
    """Every average of every averaged net, by `ema/NET` and `ema.NAME/NET`; `hollows` of nets that lie in shards."""
    batch, start = recipe.training.batch_size, recipe.start

    def decay(how: Ema | Forgetting, net: str) -> Callable[[int], float]:
        return partial(decay_at, how, batch=batch, random=start is None or net in start.fresh)

    return {
        f"{saved_as(name)}/{net.name}": Average(modules[net.name], decay(how, net.name), hollows.get(net.name))
        for name, how in forgetting(recipe.ema).items()
        for net in plan.nets
        if net.ema
    }
