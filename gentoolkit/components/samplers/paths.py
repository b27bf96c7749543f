"""Which steps of the training grid a sampler visits.

    even         t_k = round(T k / n)                                     equal strides
    quadratic    t_k = round(T (k / n)²)                                  short strides near the data (Song et al., 2021a)
    by level     the step whose level lies nearest to a wanted one        even in log-SNR, or EDM's rho

A state stands on a step of the grid, always: there the network was trained, and there a caller knows its noise.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

from gentoolkit.diffusion import GaussianForward

SMALLEST_ALPHA = 1e-4
"""Below this alpha, x_t holds nothing of x_0 that a step could work with, and its level counts as infinite."""

Path = tuple[int, ...]
"""Steps visited, rising, from 0 to T."""


def path(T: int, steps: int | None, spacing: str = "even") -> Path:
    """`steps` strides, all T unless given, `even` or `quadratic`."""
    n = steps or T
    power = 2 if spacing == "quadratic" else 1
    return apart([round(T * (k / n) ** power) if power == 2 else round(T * k / n) for k in range(n + 1)], T)


def apart(marks: Sequence[int], T: int) -> Path:
    """Rising marks moved as little as needed to be n + 1 different ones from 0 to T."""
    found, n = [0], len(marks) - 1
    for k, mark in enumerate(marks[1:], start=1):
        found.append(min(max(mark, found[-1] + 1), T - (n - k)))
    return (*found[:-1], T)


def following(visited: Path, t: int) -> int:
    """The next step down from t, which need not be a step of the path itself: a caller may have put the state there."""
    return visited[bisect_left(visited, t) - 1]


def level_path(process: GaussianForward, steps: int | None, level: Callable[[float], float]) -> Path:
    """`steps` strides from T to 0, their ends spread evenly in `level(sigma/alpha)` from t = T to t = 1, then 0.

    Where alpha_T vanishes, T is followed by levels spread from t = T - 1.
    """
    T = process.T
    n = steps or T
    if n == T:
        return tuple(range(T + 1))
    alpha, sigma = process.grid.alpha.tolist(), process.grid.sigma.tolist()
    top = T if alpha[T] >= SMALLEST_ALPHA else T - 1
    levels = [level(sigma[t] / alpha[t]) for t in range(1, top + 1)]
    last = n if top == T else n - 1
    wanted = [levels[0] + (levels[-1] - levels[0]) * k / max(last - 1, 1) for k in range(last)]
    return apart([0, *(nearest(levels, value) + 1 for value in wanted), *([T] if top < T else [])], T)


def nearest(values: Sequence[float], wanted: float) -> int:
    """Index of the nearest of rising values."""
    right = min(bisect_left(values, wanted), len(values) - 1)
    return right - 1 if right > 0 and wanted - values[right - 1] < values[right] - wanted else right


def log_level(ratio: float) -> float:
    """Half of minus log-SNR: log(sigma/alpha)."""
    return math.log(ratio)


class Levels:
    """A path by level, made when the process is there and kept for it.

    Args:
        steps: strides; None for all.
        level: what of sigma/alpha is spread evenly; None for even strides of the grid.
    """

    def __init__(self, steps: int | None, level: Callable[[float], float] | None) -> None:
        self.steps, self.level = steps, level
        self._of: GaussianForward | None = None
        self._path: Path = ()

    def of(self, process: GaussianForward) -> Path:
        """The path down the grid of a process."""
        if self._of is not process:
            made = path(process.T, self.steps) if self.level is None else level_path(process, self.steps, self.level)
            self._of, self._path = process, made
        return self._path
