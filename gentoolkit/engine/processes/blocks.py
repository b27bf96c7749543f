"""Activation checkpointing: a block keeps its input and computes what lies inside again in the backward pass.

Which modules are blocks is for a network to say, in an attribute or property `blocks`. The non-reentrant form is used: it
works under second derivatives and inside shells.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def blocks_of(net: nn.Module) -> list[nn.Module]:
    """The blocks that the networks inside a net name, each once, in order."""
    found: dict[int, nn.Module] = {}
    for module in net.modules():
        named = getattr(module, "blocks", None)
        if isinstance(named, nn.ModuleList | list | tuple):
            found |= {id(block): block for block in named if isinstance(block, nn.Module)}
    return list(found.values())


def recompute(net: nn.Module, again: Callable[[], AbstractContextManager[Any]] | None = None) -> int:
    """Checkpoint the activations of a net's blocks from now on; how many there are.

    Args:
        net: the net.
        again: a context in which what is computed again is computed, if any.
    """
    blocks = blocks_of(net)
    options: dict[str, Any] = {"use_reentrant": False}
    if again is not None:
        options["context_fn"] = lambda: (nullcontext(), again())
    for block in blocks:
        # An attribute of the instance: names of weights stay, hooks run around it, and copies checkpoint themselves.
        block.forward = partial(checkpoint, partial(type(block).forward, block), **options)
    return len(blocks)
