"""The wrapper that makes every kind of loss safe under data parallelism.

What DDP wraps is not the net but a shell around it, whose forward runs a *function of the net*: the whole loss of an
update happens inside the wrapper. Wrapping the net itself silently loses second-order gradients (a gradient penalty in
the first iteration of a static graph, or as a second backward, is never reduced).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


class Shell(nn.Module):
    """`shell(fn)` is `fn(net)`."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, fn: Callable[[nn.Module], Any]) -> Any:
        """Run `fn` on the net, inside whatever wraps this shell."""
        return fn(self.net)


def inside(shells: Mapping[str, nn.Module], fn: Callable[[dict[str, nn.Module]], Any]) -> Any:
    """`fn({name: net})` inside all the shells at once, nested: `a(lambda x: b(lambda y: fn(x, y)))`.

    Wrapping one of two trained nets would leave the other's gradients unreduced.
    """
    names = list(shells)

    def enter(depth: int, nets: dict[str, nn.Module]) -> Any:
        if depth == len(names):
            return fn(nets)
        name = names[depth]
        return shells[name](lambda net: enter(depth + 1, {**nets, name: net}))

    return enter(0, {})
