"""Building and running a recipe without memory, data or arithmetic: tensors that have a shape, a dtype and nothing else.

Networks are built under torch's fake tensors. Schedules, parametrizations and whatever else holds tables are built for real:
they are small, look at their own numbers, and a real table indexed by a fake step gives a fake value of the right shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Batch, Plan
from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Component, Facts, RunRef

from ..assemble import NETWORKS, Assembly, assemble, build_model
from ..models.trained import run_folder
from ..players import Nets
from ..processes.wrap import Wrap

UNKNOWABLE = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
"""Raised where an operation needs numbers to know its shape."""


class BlankDraw(Draw):
    """Draws that have a shape and no numbers."""

    def scope(self, *key: Any) -> Draw:
        """Another one."""
        return BlankDraw((*self.key, *key), self.start, self.stop, self.device, self.dtype)

    def integers(self, name: str, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """int64 `[B, *shape]`."""
        return torch.empty(len(self), *shape, dtype=torch.int64)

    def _real(self, name: str, shape: tuple[int, ...], draw: Any) -> Tensor:
        return torch.empty(len(self), *shape, dtype=self.dtype)


class GhostNets(Nets):
    """The nets of a plan as fake tensors of a dtype; to be made under the mode."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.modules, self.wraps, self.hollows, self.running = {}, {}, {}, {}
        for net in plan.nets:
            self.modules[net.name] = ghostly(net.module, dtype)
            self.wraps[net.name] = Wrap(net.module)
        for running in plan.running:
            self.running[running.name] = ghostly(running.module, dtype)


def ghostly(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """`module` with every weight and buffer replaced by a fake one, in place; call it under the mode."""
    made: dict[int, Tensor] = {}  # a weight that two layers share stays one

    def blank(value: Tensor) -> Tensor:
        if id(value) not in made:
            ghost = torch.empty(value.shape, dtype=dtype if value.is_floating_point() else value.dtype)
            made[id(value)] = nn.Parameter(ghost, value.requires_grad) if isinstance(value, nn.Parameter) else ghost
        return made[id(value)]

    for part in module.modules():
        tables: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for held in tables:
            held.update({key: blank(value) for key, value in held.items() if value is not None})
    return module


class Ghosts:
    """A recipe's parts, built without memory.

    Args:
        recipe: the structured recipe.
        facts: what its check found.
        dtype: of parameters and data.
    """

    def __init__(self, recipe: Recipe, facts: Facts, dtype: torch.dtype) -> None:
        self.recipe, self.facts, self.dtype = recipe, facts, dtype
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.built: list[tuple[Component, Any]] = []
        """Components and what they built, in order."""
        self.building: Component | None = None
        """The component that is being built."""

    def assemble(self) -> Assembly:
        """As for training."""
        return assemble(self.recipe, self.facts, self.reference, self.make)

    def make(self, component: Component, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What a component builds, networks as fakes."""
        self.building = component
        with self.mode if component.slot in NETWORKS else nullcontext():
            made = component.build(facts, parts)
        self.built.append((component, made))
        return made

    def reference(self, reference: RunRef) -> StepModel:
        """The step model of another run, as its recipe says; no weights are looked for."""
        loaded = recipes.load(run_folder(reference.path))
        model = build_model(loaded.recipe, loaded.facts, self.reference, self.make)[1].requires_grad_(False)
        with self.mode:
            ghostly(model, self.dtype)
        return model

    def batch(self) -> Batch:
        """A batch as one device sees it; call it under the mode."""
        n, facts = self.facts.batch, self.facts
        y = None if facts.classes is None else torch.empty(n, dtype=torch.int64)
        tensors = {name: torch.empty(n, *shape, dtype=self.dtype) for name, shape in facts.tensors.items()}
        return Batch(torch.empty(n, *facts.shape, dtype=self.dtype), Condition(y=y, tensors=tensors))

    def draw(self) -> Draw:
        """The source of noise of that batch."""
        return BlankDraw((), 0, self.facts.batch, dtype=self.dtype)
