"""Noise between noises: spherical interpolation of keyed draws.

    n = cos θ · n_a + sin θ · n_b,    θ from 0 to π/2

Each blend of independent standard normal numbers is standard normal, also in few dimensions, and its ends are the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .draw import Draw


class Blend(Draw):
    """A source of noise whose slots are places on the way from the first of several sources to the last.

    Args:
        sources: draws of one slot each; their other numbers, uniform ones and integers, are the nearest source's.
        weights: `[B, sources]`, squares of a row summing to 1.
    """

    def __init__(self, sources: Sequence[Draw], weights: Tensor) -> None:
        first = sources[0]
        super().__init__(("blend", *(s.key for s in sources)), 0, len(weights), first.device, first.dtype)
        self.sources, self.weights = list(sources), weights.to(first.device, first.dtype)

    def scope(self, *key: Any) -> Draw:
        """The same places between the sources' scopes."""
        return Blend([source.scope(*key) for source in self.sources], self.weights)

    def normal(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal, `[B, *shape]`."""
        rows = torch.cat([source.normal(name, shape) for source in self.sources])
        # Every place by itself, and not as a product of matrices: what is rounded does not depend on how many there are.
        return sum_of([self.weights[:, i].reshape(-1, *[1] * len(shape)) * rows[i] for i in range(len(rows))])

    def uniform(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on [0, 1), `[B, *shape]`."""
        return self._nearest(lambda source: source.uniform(name, shape))

    def integers(self, name: str, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on {low, ..., high}; int64 `[B, *shape]`."""
        return self._nearest(lambda source: source.integers(name, low, high, shape))

    def _nearest(self, draw: Callable[[Draw], Tensor]) -> Tensor:
        return torch.cat([draw(source) for source in self.sources])[self.weights.argmax(1)]


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """The sum, one term after the other."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def along(stations: int, n: int) -> Tensor:
    """Weights `[n, stations]` of n places, evenly from the first station to the last past all others; float64."""
    weights = torch.zeros(n, stations, dtype=torch.float64)
    for k in range(n):
        place = k * (stations - 1) / max(n - 1, 1)
        station = min(int(place), stations - 2) if stations > 1 else 0
        rest = place - station
        if rest in (0.0, 1.0):
            weights[k, station + int(rest)] = 1
        else:
            weights[k, station], weights[k, station + 1] = math.cos(rest * math.pi / 2), math.sin(rest * math.pi / 2)
    return weights
