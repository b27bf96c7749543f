"""The deep check: a recipe at its real size, every update's loss and backward, and what a step costs; nothing is computed.

report = deep_check(loaded)          # raises where the parts do not fit; str(report) is what `gentool check --deep` prints
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from gentoolkit.components.methods import Plan, Terms, Update
from gentoolkit.recipe import Loaded, Problem, RecipeError
from gentoolkit.recipe.check import all_parts
from gentoolkit.recipe.parallelism import parallelism
from gentoolkit.registry import Component, GentoolError

from ..loop import DTYPES
from ..players import Player
from ..processes.blocks import recompute
from ..processes.held import gathered, held, size, state_of
from ..processes.world import World
from .ghosts import UNKNOWABLE, GhostNets, Ghosts
from .meter import Meter
from .plan_text import plan_lines

LONGEST_PERIOD = 10_000


class Unknowable(GentoolError):
    """A part needs numbers where a check has shapes alone."""


@frozen
class Cost:
    """What one update takes under one set of active terms."""

    update: str
    terms: tuple[str, ...]
    share: float
    """Share of the optimisation steps in which this happens."""
    flops: float
    """Floating-point operations of one optimisation step over the global batch, forward and backward, repeats included;
    what activation checkpointing computes again counts once."""
    working: int
    """Most bytes alive at once on a device in loss and backward, gradients among them, weights not."""
    gathered: int = 0
    """Bytes of weights that lie in shards and are whole for the moment."""


@frozen
class DeepReport:
    """What the deep check found."""

    plan: tuple[str, ...]
    """Nets with their parameters and updates, a line each."""
    parameters: dict[str, int]
    """By net."""
    costs: tuple[Cost, ...]
    weights: int
    """Bytes of parameters and buffers per device."""
    averages: int
    optimizers: int
    batch: int
    """Samples that a device sees at once."""
    steps: int
    precision: str
    parallel: str
    """How the processes share the weights, in words; empty for one process."""
    more: tuple[tuple[str, tuple[str, ...]], ...]
    """(part, lines) of components that have something to add."""
    idle: tuple[str, ...]
    """Trained parameters that no loss reaches."""
    seconds: float

    @property
    def flops(self) -> float:
        """Floating-point operations of an optimisation step, on average."""
        return sum(c.flops * c.share for c in self.costs)

    @property
    def working(self) -> int:
        """The working memory of the costliest update, bytes."""
        return self.peak.working

    @property
    def peak(self) -> Cost:
        """The update, and its terms, that take most memory."""
        return max(self.costs, key=lambda c: c.working + c.gathered)

    @property
    def memory(self) -> int:
        """The estimate for a device, bytes."""
        return self.weights + self.averages + self.optimizers + self.working + self.peak.gathered

    def __str__(self) -> str:
        from .deep_text import text

        return text(self)


def deep_check(loaded: Loaded) -> DeepReport:
    """Build the recipe and run its losses without memory, data or arithmetic.

    Raises:
        RecipeError: something does not fit, with the component that could not go on.
        Unknowable: a component reads numbers off tensors.
        GentoolError: a run that the recipe refers to is not there.
    """
    started = time.monotonic()
    recipe, facts = loaded.recipe, loaded.facts
    ghosts = Ghosts(recipe, facts, DTYPES[recipe.training.precision])
    try:
        assembly = ghosts.assemble()
    except GentoolError:
        raise
    except Exception as error:
        raise misfit(error, loaded, [], ghosts.building, "cannot be built at its real size") from error
    plan, world = assembly.plan, World(0, 1, torch.device("cpu"))
    parallel = parallelism(recipe.training.parallel, loaded.nproc)
    shards = parallel.shards
    with ghosts.mode:
        nets = GhostNets(plan, ghosts.dtype)
        players = [Player(u, nets, facts, world, recipe.training.precision, None) for u in plan.updates]
        reached: set[str] = set()
        costs = tuple(run(players, nets, ghosts, loaded, reached, shards))
        weights = sum(held(m, shards) for m in nets.modules.values()) + sum(held(m) for m in nets.running.values())
        averages = (1 + len(recipe.ema.more)) * sum(held(nets.modules[n.name], shards) for n in plan.nets if n.ema)
        idle = tuple(key for p in players for key, _ in p.named if key not in reached)
        optimizers = sum(state_of(player, shards) for player in players)
    more = []
    for component, _ in ghosts.built:
        if lines := tuple(component.deep_report(facts, assembly.parts)):
            more.append((f"{component.slot} '{component.name}'", lines))
    return DeepReport(
        plan=tuple(plan_lines(assembly, recipe, facts)),
        parameters={n.name: sum(p.numel() for p in n.module.parameters()) for n in plan.nets},
        costs=costs,
        weights=weights,
        averages=averages,
        optimizers=optimizers,
        batch=facts.batch,
        steps=recipe.training.steps,
        precision=recipe.training.precision,
        parallel=str(parallel) if loaded.nproc > 1 else "",
        more=tuple(more),
        idle=idle,
        seconds=time.monotonic() - started,
    )


def run(
    players: list[Player], nets: GhostNets, ghosts: Ghosts, loaded: Loaded, reached: set[str], shards: int
) -> Iterator[Cost]:
    """Loss and backward of every update under every set of active terms, in the order of a step; adds the names of weights that
    get a gradient to `reached`."""
    training, facts = loaded.recipe.training, loaded.facts
    everything = [*nets.modules.values(), *nets.running.values()]
    meter = Meter([*(t for m in everything for t in (*m.parameters(), *m.buffers()))])
    plan = Plan((), tuple(p.update for p in players))
    if training.activation_checkpointing:
        for module in nets.modules.values():
            recompute(module, meter.uncounted)
    with meter:  # each player's gradients of the step before lie there until its own turn
        for player in players:
            for weight in player.weights:
                weight.grad = torch.empty_like(weight)
    for player in players:
        update = player.update
        own = {id(w) for w in player.weights}
        waiting = size({id(w): w for p in players for w in p.weights if id(w) not in own}.values())
        for (step, active), share in term_sets(plan, update, training.steps):
            nets.train_only(update.trains)
            player.optimizer.zero_grad(set_to_none=True)
            with meter:
                meter.restart()
                try:
                    terms = player.autocast_losses(ghosts.batch(), ghosts.draw(), active)
                    promised(terms, update, active, facts.batch)
                    player.weighted(terms, step).backward()
                except GentoolError:
                    raise
                except Exception as error:
                    said = f"cannot go through the update '{update.name}'"
                    raise misfit(error, loaded, ghosts.built, loaded.recipe.method, said) from error
            flops = meter.flops * update.repeat * training.batch_size / facts.batch
            names = tuple(t.name for t in update.terms if t.name in active)
            reached.update(key for key, w in player.named if w.grad is not None)
            del terms
            second_order = any(t.second_order for t in update.terms if t.name in active)
            whole = sum(gathered(m, shards, second_order) for m in nets.modules.values())
            # Gradients of the other players wait in shards; the player's own are whole until the last backward reduces them.
            yield Cost(update.name, names, share, flops, meter.peak - waiting + -(-waiting // shards), whole)


def term_sets(plan: Plan, update: Update, steps: int) -> list[tuple[tuple[int, frozenset[str]], float]]:
    """((a step, the terms active in it), share of the steps) for every set of terms that an update meets in a run."""
    period = math.lcm(update.every, *(t.every for t in update.terms))
    period = min(period, steps, LONGEST_PERIOD)
    found: dict[frozenset[str], tuple[int, int]] = {}
    for step in range(period):
        if update in plan.due(step):
            first, count = found.get(update.active(step), (step, 0))
            found[update.active(step)] = (first, count + 1)
    return [((first, active), count / period) for active, (first, count) in found.items()]


def promised(terms: Terms, update: Update, active: frozenset[str], batch: int) -> None:
    """The loss gives what a plan promises: every active term, one number per sample.

    Raises:
        TypeError: with what is amiss.
    """
    if set(terms.values) != active:
        raise TypeError(f"the loss gives the terms {sorted(terms.values)} where {sorted(active)} are due")
    for name, value in {**terms.values, **terms.logs}.items():
        if tuple(value.shape) != (batch,):
            raise TypeError(f"'{name}' has shape {tuple(value.shape)} where one number per sample is promised, ({batch},)")


def misfit(
    error: Exception, loaded: Loaded, built: Iterable[tuple[Component, Any]], fallback: Component | None, said: str
) -> GentoolError:
    """The error of a component, named: the innermost frame that belongs to something that was built."""
    owners: dict[int, tuple[Component, str, Any]] = {}
    for part, made in built:
        if made is None:
            continue
        for name, module in made.named_modules() if isinstance(made, nn.Module) else [("", made)]:
            owners.setdefault(id(module), (part, name, module))
    component: Component | None = fallback
    place, shapes = "", ""
    trace = error.__traceback__
    while trace is not None:
        local = trace.tb_frame.f_locals
        if (owner := owners.get(id(local.get("self")))) is not None:
            component, name, module = owner
            place = f"at {name} ({type(module).__name__}): " if name else ""
            seen = [f"{k} {list(v.shape)}" for k, v in local.items() if isinstance(v, Tensor) and k != "self"]
            shapes = f"there: {', '.join(seen[:6])}" if seen else shapes
        trace = trace.tb_next
    who = "a part" if component is None else f"{component.slot} '{component.name}'"
    if isinstance(error, UNKNOWABLE):
        return Unknowable(
            f"{who} reads a number off a tensor ({type(error).__name__}: {error}), so shapes alone do not tell what it does; "
            "it cannot be checked in depth, and on an accelerator it makes every step wait for the device"
        )
    keys = next((k for k, one in all_parts(loaded.recipe) if one is component), ())
    origin = loaded.origins.get(".".join((*keys, "use")), "")
    label = f"{place}{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    notes = tuple(filter(None, (shapes, f"{'.'.join(keys)}, {origin}" if keys else "")))
    return RecipeError([Problem(f"{who} {said}", keys, None, label, notes)])
