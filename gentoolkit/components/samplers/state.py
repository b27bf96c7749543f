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
    """Where a sampler stands. Change `x` with `attrs.evolve` between two steps to edit (inpainting, strokes); `State(t, x)`
    starts anywhere, on any step of the training grid."""

    t: int
    """x is a sample of x_t; 0 is done."""
    x: Tensor
    x_0_hat: Tensor | None = None
    """The prediction that led here; None at the start and where the parametrization has none."""
    evaluations: int = 0
    """Network evaluations so far, per sample."""
    before: int | None = None
    """The step at which `x_0_hat` was predicted. The two are all that a multistep sampler remembers; without them its next
    step is one of first order."""


def states(sampler: Any, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition) -> Iterator[State]:
    """Every state from x_T to x_0, for the sample slots of `rng`; `shape` is one sample's."""
    yield from onwards(sampler, model, sampler.start(model, shape, rng, condition), rng, condition)


def onwards(sampler: Any, model: StepModel, state: State, rng: Draw, condition: Condition) -> Iterator[State]:
    """Every state from a given one, which comes first, to x_0."""
    yield state
    while state.t > 0:
        state = sampler.step(model, state, rng, condition)
        yield state
