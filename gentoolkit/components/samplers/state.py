"""What a sampler hands out between two steps, and the walk from noise to data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw


@frozen(eq=False)
class State:
    """Where a sampler stands. Change `x` with `attrs.evolve` between two steps to edit (inpainting, strokes)."""

    t: int
    """x is a sample of x_t; 0 is done."""
    x: Tensor
    x_0_hat: Tensor | None = None
    """The prediction that led here; None at the start and where the parametrization has none."""
    evaluations: int = 0
    """Network evaluations so far, per sample."""


def path(T: int, steps: int | None) -> dict[int, int]:
    """The next step after each t on a walk of `steps` even strides from T to 0: {T: s, s: ..., ...: 0}."""
    n = steps or T
    marks = [round(T * k / n) for k in range(n, -1, -1)]
    return dict(zip(marks, marks[1:], strict=False))


def states(sampler: Any, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> Iterator[State]:
    """Every state from x_T to x_0, for the sample slots of `rng`; `shape` is one sample's."""
    state = sampler.start(model, shape, rng, condition)
    yield state
    while state.t > 0:
        state = sampler.step(model, state, rng, condition)
        yield state
