"""Training a recipe: check, open, build, restore, loop."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from gentoolkit import recipe as recipes
from gentoolkit.recipe.exported import is_exported
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import GentoolError

from . import failing
from .assemble import Assembly, assemble, build
from .checking.deep import Unknowable, deep_check
from .checking.plan_text import describe
from .log.console import Console
from .log.meters import Meters
from .log.peaks import peak
from .log.watchers import RunView, Watchers
from .loop import DTYPES, Loop
from .models.snapshots import Snapshots
from .models.trained import load_reference
from .numerics.layout import prepare
from .numerics.precision import settings
from .onlookers import Onlookers
from .processes.held import needed
from .processes.stopping import DONE, RESUMABLE, STOP_FILE, Stop
from .processes.world import World, world, world_size
from .processes.wrap import memory_of, shared
from .samples.evaluations import Evaluations, configs_of
from .start import begin
from .storage import checkpoints, folder
from .storage.faults import point
from .storage.journal import Journal
from .storage.store import Store
from .storage.whole import write_whole

FLOPS = "GENTOOL_STEP_FLOPS"
"""The environment variable in which a launcher hands the operations of an average step on."""


@frozen
class Outcome:
    """How a training ended."""

    folder: Path
    step: int
    code: int
    """0 done, 75 stopped and resumable."""
    measurable: bool
    """Whether the recipe names metrics."""
    start: int = 0
    """The step it went on from; `step` itself if there was nothing left to do."""
    why: str = ""
    """What stopped it, in words, where it was stopped."""


def train(
    source: str | Path | Mapping[str, Any] | Recipe,
    overrides: Sequence[str] = (),
    *,
    allow_change: bool = False,
    quiet: bool = False,
    deep: bool = True,
    trust_local: bool | None = None,
    until: float | None = None,
) -> Outcome:
    """Train a recipe, going on from its newest committed checkpoint.

    Args:
        source: a recipe's path or name, a table, or a structured recipe.
        overrides: `model.denoiser.width=96` and the like.
        allow_change: go on although the folder's recipe differs.
        quiet: print warnings alone.
        deep: build the parts at their real size and run every loss without memory, before anything is opened.
        trust_local: whether `[local] modules` may be run; unless given, they may if they are no part of an exported model.
        until: `time.monotonic()` at which to stop with a checkpoint.

    Raises:
        GentoolError: the recipe, the data or the folder is not as it must be; nothing was started.
        Diverged: training met a gradient that is not finite.
    """
    with ExitStack() as stack:
        loaded = recipes.load(source, overrides, nproc=world_size(), trust_local=trust_local)
        recipe, facts = loaded.recipe, loaded.facts
        here = stack.enter_context(world(recipe.training.device))
        flops, unchecked = deeply_once(loaded, here) if deep else (told_flops(), "")
        stack.enter_context(settings(here.device, recipe.training.deterministic))
        where = loaded.home or Path(recipe.run.folder or Path("runs") / loaded.name)
        if is_exported(where):
            raise GentoolError(f"{where} is an exported model, which cannot be trained; give its recipe another run.name")
        store = folder.store_of(recipe, where)
        load = partial(load_reference, device=here.device, dtype=DTYPES[recipe.training.precision])
        data = build(recipe.data, facts, {}, load_reference)
        if len(data) < 1:
            raise GentoolError(f"data '{recipe.data.name}' is empty")
        assembly = assemble(recipe, facts, load)
        begun = begin(loaded, assembly, store, trust_local)
        prepare(assembly.plan, recipe.training, here.device)
        sampler = build(recipe.sampler, facts, assembly.parts, load_reference)
        if here.first:
            compare(loaded, where, store, allow_change, recipe.training.resume)
            folder.make(where)
            store.reach()
            stack.enter_context(folder.lock(where))
        here.barrier()

        whole = needed(assembly.plan, 1 + len(recipe.ema.more), DTYPES[recipe.training.precision])
        parallel = shared(recipe.training.parallel, here, whole, memory_of(here.device))
        loop = Loop(recipe, facts, assembly, sampler, data, here, parallel, store, where)
        loop.saver.about.update(run=loaded.name, recipe=loaded.run_id)
        stack.callback(loop.saver.close)
        start, refused = loop.restore()
        steps = recipe.training.steps
        if start > steps:
            raise GentoolError(f"{where} has done {start} steps already; training.steps = {steps} is fewer")
        unit = "img" if facts.kind == "image" else "points"
        console = Console(loaded.name, steps, recipe.training.batch_size, start, unit, quiet or not here.first)
        stack.callback(console.close)
        loop.programs.keep(where, console.say)
        for sentence in filter(None, (unchecked, store.fleeting, *refused)):
            if here.first:
                console.warn(sentence)
        if here.first:
            if begun is not None:
                begun.record(where)
                for said in begun.notes:
                    console.say(f"note: {said}")
            with point(folder.RECIPE):
                loaded.write(where)
            for note in loaded.notes:
                console.say(f"note: {note}")
        if start == steps:
            console.say(f"{where} has done its {steps} steps; raise training.steps to go on")
            return Outcome(where, start, DONE, bool(recipe.metrics), start)
        console.say(describe(assembly, recipe, facts, here, parallel))
        if start:
            console.say(f"going on from step {start} of {steps}")

        onlookers = watching(loaded, loop, assembly, where, start, console, flops)
        loop.programs.spending = onlookers.meters.spending
        if onlookers.journal is not None:
            stack.callback(onlookers.journal.close)
        with Stop(here, until, where / STOP_FILE) as stop:
            try:
                code = failing.run(loop, start, stop, onlookers)
            except BaseException as error:
                onlookers.watchers.call("run_failed", step=loop.step, error=error)
                if here.first:
                    folder.record_end(where, loop.step, "failed", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
                raise
            if here.first:
                folder.record_end(where, loop.step + 1, "finished" if code == DONE else "stopped")
            stop.obeyed()
        return Outcome(where, loop.step + 1, code, bool(recipe.metrics), start, stop.why if code == RESUMABLE else "")


def watching(
    loaded: recipes.Loaded, loop: Loop, assembly: Assembly, where: Path, start: int, console: Console, flops: float | None
) -> Onlookers:
    """Everything that looks at the run from step `start` on; opens its log and says in its folder that it was started."""
    recipe, facts, here = loop.recipe, loop.facts, loop.world
    journal = None
    observers: dict[str, Any] = {}
    if here.first:
        folder.record_start(where, start, here.size, str(here.device))
        write_whole(where / folder.DATA, json.dumps(folder.describe_data(loop.source, facts.labels)))
        journal = Journal(where / folder.METRICS, start)
        observers = {n: build(o, facts, assembly.parts, load_reference) for n, o in recipe.observers.items()}
    meters = Meters(
        recipe.training.batch_size,
        start,
        here.device,
        flops,
        peak(here.device, recipe.training.precision, here.size),
        journal.counted if journal else 0.0,
        folder.first_start(where) if here.first else None,
    )
    metrics = {n: build(m, facts, assembly.parts, load_reference) for n, m in configs_of(recipe).items()}
    counts, kept = loop.label_counts, loop.saver.protected
    evaluations = Evaluations(recipe, facts, metrics, loop.sampler, loop.source, counts, where, here, journal, kept)
    evaluations.remember({saved.step for saved in checkpoints.committed(loop.saver.store) if saved.step <= start})
    return Onlookers(
        journal,
        console,
        Watchers(observers, RunView(where, loaded.name, recipe, facts, loaded.run_id), console.warn, here),
        meters,
        Snapshots(loaded, where, here, counts, console.warn),
        evaluations,
    )


def deeply(loaded: recipes.Loaded) -> tuple[float | None, str]:
    """(operations of an average step, ""), by the deep check; (None, a warning) where a part cannot be checked in depth.

    Raises:
        GentoolError: the parts do not fit.
    """
    try:
        return deep_check(loaded).flops, ""
    except Unknowable as error:
        return None, str(error)


def deeply_once(loaded: recipes.Loaded, here: World) -> tuple[float | None, str]:
    """`deeply`, by the first process; where it finds a mistake the others, which would find the same, leave without a word.

    Raises:
        GentoolError: the parts do not fit.
    """
    found: tuple[float | None, str] = (None, "")
    mistake: GentoolError | None = None
    if here.first:
        try:
            found = deeply(loaded)
        except GentoolError as error:
            mistake = error
    if here.told(mistake is not None):
        raise mistake or SystemExit(2)
    return found


def told_flops() -> float | None:
    """Operations of an average step, in a worker whose launcher has counted them."""
    return float(os.environ[FLOPS]) if FLOPS in os.environ else None


def compare(loaded: recipes.Loaded, where: Path, store: Store, allow_change: bool, resume: str) -> None:
    """Stop where the folder holds a run of another recipe, or must not be resumed.

    Raises:
        GentoolError: with the differences.
    """
    there = checkpoints.committed(store)
    if not there:
        return
    if resume == "never":
        raise GentoolError(f'{where} already has checkpoints and training.resume = "never"; choose another run.name')
    if loaded.recipe.run.checkpoints is not None:
        lost = not (where / folder.RECIPE).is_file()  # the checkpoints outlived the folder, or the machine
        name, made_by = checkpoints.origin(there[0])
        if not allow_change and (name != loaded.name or (lost and made_by != loaded.run_id)):
            raise GentoolError(
                f"{store} holds checkpoints of another {'run' if name != loaded.name else 'recipe'}; "
                "give this run another run.checkpoints, or pass --allow-change to go on from them"
            )
        if lost:
            return
    changes = [d for d in recipes.differences(recipes.load(where), loaded) if d.change]
    if changes and not allow_change:
        listed = "\n".join(f"  {change}" for change in changes)
        if any(change.path == "training.steps" for change in changes):
            listed += "\n  (the learning rate of a schedule that is not constant depends on training.steps)"
        raise GentoolError(
            f"{where} was trained with another recipe:\n{listed}\n"
            "give this run another run.name, or pass --allow-change to go on with the new recipe"
        )
