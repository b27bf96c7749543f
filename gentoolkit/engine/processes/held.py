"""What a device holds of a run's nets, in bytes: whole, or this process's share of what lies in shards."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gentoolkit.components.methods import Plan

from ..players import Player
from .blocks import blocks_of

ADAM = 2
"""Moments per weight that are reckoned with before there is an optimizer."""
GATHERED_AT_ONCE = 2
"""Blocks whose weights are whole at a time: the one that runs, and the one that comes next."""


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(t.numel() * t.element_size() for t in tensors)


def held(module: nn.Module, shards: int = 1) -> int:
    """Bytes of a module's parameters, of which a process has one of `shards` parts, and buffers, which it has whole."""
    return -(-size(module.parameters()) // shards) + size(module.buffers())


def gathered(module: nn.Module, shards: int, second_order: bool) -> int:
    """Most bytes of weights that are put together for the moment, beside the shards: all, or block by block what lies in blocks
    unless gradients of gradients are taken."""
    if shards == 1:
        return 0
    left = {id(p): p for p in module.parameters()}
    blocks = [size([p for p in block.parameters() if left.pop(id(p), None) is not None]) for block in blocks_of(module)[::-1]]
    each = sorted(blocks, reverse=True)
    return size(left.values()) + sum(each if second_order else each[:GATHERED_AT_ONCE])


def state_of(player: Player, shards: int = 1) -> int:
    """Bytes of an optimizer's state after a step; what has a weight's shape lies beside its weight."""
    for weight in player.weights:
        if weight.grad is None:
            weight.grad = torch.empty_like(weight)
    player.optimizer.step()
    values = [v for state in player.optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
    return -(-size(v for v in values if v.dim()) // shards) + size(v for v in values if not v.dim())


def needed(plan: Plan, averages: int, dtype: torch.dtype) -> int:
    """Bytes of weights, gradients, Adam's moments and `averages` averages, were all of them whole; activations aside."""
    each: dict[str, int] = {net.name: sum(p.numel() for p in net.module.parameters()) for net in plan.nets}
    kept = {net.name: 2 + ADAM + (averages if net.ema else 0) for net in plan.nets}
    return sum(kept[name] * count * dtype.itemsize for name, count in each.items())
