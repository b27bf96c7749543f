"""Draws on their way into a compiled program, which may hold no generator: what a loss asks for is noted in one eager call,
drawn before the program runs, and handed to it as tensors by name.

    noted = Noted(draw)
    loss(nets, batch, noted, active)                   # noted.requests: what was asked for
    tensors = drawn(noted.requests, draw)              # of any other batch
    loss(nets, batch, Given(tensors), active)          # the same numbers as with `draw` itself
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gentoolkit.diffusion import Draw

Name = tuple[Any, ...]
"""The scopes that a draw was asked for in, and its own name."""


class Noted(Draw):
    """A source of noise that remembers what it was asked for.

    Args:
        draw: where the numbers come from.
    """

    def __init__(self, draw: Draw, requests: dict[Name, tuple[str, tuple[Any, ...]]] | None = None, path: Name = ()) -> None:
        super().__init__(draw.key, draw.start, draw.stop, draw.device, draw.dtype)
        self.draw, self.path = draw, path
        self.requests = {} if requests is None else requests
        """(method of `Draw`, its arguments) by name."""

    def scope(self, *key: Any) -> Draw:
        """As of any draw; what is asked for there is remembered here."""
        return Noted(self.draw.scope(*key), self.requests, self.path + key)

    def normal(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal, `[B, *shape]`."""
        return self._noted("normal", name, shape)

    def uniform(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on [0, 1), `[B, *shape]`."""
        return self._noted("uniform", name, shape)

    def integers(self, name: str, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on {low, ..., high}; int64 `[B, *shape]`."""
        return self._noted("integers", name, low, high, shape)

    def _noted(self, kind: str, name: str, *arguments: Any) -> Tensor:
        self.requests[(*self.path, name)] = kind, arguments
        value: Tensor = getattr(self.draw, kind)(name, *arguments)
        return value


def drawn(requests: Mapping[Name, tuple[str, tuple[Any, ...]]], draw: Draw) -> dict[Name, Tensor]:
    """The numbers of `draw` that were asked for."""
    return {name: getattr(draw.scope(*name[:-1]), kind)(name[-1], *arguments) for name, (kind, arguments) in requests.items()}


class Given(Draw):
    """A source of noise that was drawn before.

    Args:
        tensors: from `drawn`.
    """

    def __init__(self, tensors: Mapping[Name, Tensor], path: Name = ()) -> None:
        self.tensors, self.path = tensors, path

    def scope(self, *key: Any) -> Draw:
        """What was drawn in that scope."""
        return Given(self.tensors, self.path + key)

    def normal(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """`[B, *shape]`."""
        return self.tensors[(*self.path, name)]

    def uniform(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """`[B, *shape]`."""
        return self.tensors[(*self.path, name)]

    def integers(self, name: str, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """int64 `[B, *shape]`."""
        return self.tensors[(*self.path, name)]
