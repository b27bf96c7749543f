"""The plan of a run in words, as `gentool train` prints it before the first step."""

from __future__ import annotations

from torch import nn

from gentoolkit.components.methods import Update
from gentoolkit.recipe.parallelism import Parallelism
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts

from ..assemble import Assembly
from ..processes.world import World


def plan_lines(assembly: Assembly, recipe: Recipe, facts: Facts) -> list[str]:
    """Nets with their parameters and the updates in order."""
    what = f"{recipe.method.name} on {recipe.data.name} {_shape(facts)}"
    lines = [f"{what}, T = {facts.steps}, {recipe.process.schedule.name} schedule"]
    averaged = ", averaged" + (f" (ema, {', '.join(recipe.ema.more)})" if recipe.ema.more else "")
    for net in assembly.plan.nets:
        count = sum(p.numel() for p in net.module.parameters())
        lines.append(f"  net     {net.name}: {count:,} parameters" + (averaged if net.ema else ""))
    for update in assembly.plan.updates:
        lines.append(f"  update  {_update(update)}")
    return lines


def describe(assembly: Assembly, recipe: Recipe, facts: Facts, world: World, parallel: Parallelism) -> str:
    """The plan, and on what it runs."""
    lines, training = plan_lines(assembly, recipe, facts), recipe.training
    modules = [m for net in assembly.plan.nets for m in net.module.modules()]
    if world.size > 1 and any(isinstance(m, nn.Dropout) and m.p > 0 for m in modules):
        lines.append("  note    dropout draws anew on another number of processes; everything else is the same")
    processes = str(parallel)
    if parallel.why:
        lines.append(f"  note    {parallel.why}")
    lines.append(
        f"  {training.steps:,} steps of {training.batch_size}, {training.precision}, {processes} on {world.device.type}"
    )
    return "\n".join(lines)


def _shape(facts: Facts) -> str:
    return "x".join(map(str, facts.shape))


def _update(update: Update) -> str:
    terms = []
    for term in update.terms:
        weight = "scheduled " if callable(term.weight) else ("" if term.weight == 1 else f"{term.weight:g} ")
        terms.append(f"{weight}{term.name}" + (f" (every {term.every} steps)" if term.every > 1 else ""))
    often = (f", every {update.every} steps" if update.every > 1 else "") + (
        f", {update.repeat} times" if update.repeat > 1 else ""
    )
    optimizer = update.optimizer
    rate = f"{optimizer.name}, lr {optimizer.lr:g} {optimizer.lr_schedule.name}"
    return f"{update.name}: {' + '.join(terms)} -> {', '.join(update.trains)} ({rate}{often})"
