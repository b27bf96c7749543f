"""The only builder: from a checked recipe to built parts, in the order of the facts.

    process -> latent -> parametrization -> denoiser -> model -> the method's own parts -> plan

Nested parts are built before their owner and handed to it in `parts` under the names of its options; an option of type
`RunRef` becomes that run's frozen step model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from attrs import frozen

from gentoolkit.components.methods import Plan
from gentoolkit.components.model import StepModel
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.diffusion import GaussianForward
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Component, Facts, RunRef

Loader = Callable[[RunRef], StepModel]
Make = Callable[[Component, Facts, Mapping[str, Any]], Any]

NETWORKS = ("denoiser", "latent", "encoder", "discriminator")
"""Slots whose parts are large; all of them can be built without memory."""


@frozen
class Assembly:
    """What was built of a recipe: `parts` by name, the step model and the method's plan."""

    parts: Mapping[str, Any]
    model: StepModel
    plan: Plan


def plainly(component: Component, facts: Facts, parts: Mapping[str, Any]) -> Any:
    """What a component builds."""
    return component.build(facts, parts)


def without_memory(component: Component, facts: Facts, parts: Mapping[str, Any]) -> Any:
    """What a component builds, networks as shapes alone."""
    with torch.device("meta") if component.slot in NETWORKS else nullcontext():
        return component.build(facts, parts)


def build(component: Component, facts: Facts, parts: Mapping[str, Any], load: Loader, make: Make = plainly) -> Any:
    """The working half of a component, its nested parts and references first, each by `make`.

    Optimizers are left alone: they need the parameters of nets, and their update carries them.
    """
    nested: dict[str, Any] = {}
    for name, value in component.options().items():
        if isinstance(value, RunRef):
            nested[name] = load(value)
        elif isinstance(value, Component):
            nested[name] = build(value, facts, parts, load, make)
        elif isinstance(value, Mapping) and not any(isinstance(v, Optimizer) for v in value.values()):
            nested[name] = {k: build(v, facts, parts, load, make) for k, v in value.items() if isinstance(v, Component)}
    return make(component, facts, {**parts, **nested})


def build_model(recipe: Recipe, facts: Facts, load: Loader, make: Make = plainly) -> tuple[dict[str, Any], StepModel]:
    """(parts, step model): everything that sampling needs. Weights are those of initialisation."""
    curve = build(recipe.process.schedule, facts, {}, load, make)
    parts: dict[str, Any] = {"process": GaussianForward(curve.grid(facts.steps, facts.spacing), curve)}
    for name in ("latent", "parametrization", "denoiser"):
        parts[name] = build(getattr(recipe.model, name), facts, parts, load, make)
    parts["model"] = StepModel(parts["denoiser"], parts["latent"], parts["parametrization"], parts["process"])
    return parts, parts["model"]


def assemble(recipe: Recipe, facts: Facts, load: Loader, make: Make = plainly) -> Assembly:
    """Build a recipe for training; initial weights are a function of `training.seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        parts, model = build_model(recipe, facts, load, make)
        plan: Plan = build(recipe.method, facts, parts, load, make)
    known = {net.name for net in plan.nets}
    for update in plan.updates:
        if strange := set(update.trains) - known:
            raise TypeError(f"update '{update.name}' trains {sorted(strange)}, but the method's nets are {sorted(known)}")
    return Assembly(parts, model, plan)
