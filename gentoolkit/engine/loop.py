"""The one training loop. Read it top to bottom: this is all that happens in a run.

A run is a pure function of (recipe, seed). What is restored is what learning produced, and one integer, the step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.methods import Batch
from gentoolkit.recipe.parallelism import Parallelism
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts

from . import learned
from .assemble import Assembly
from .average import averages
from .failing import failed
from .feed import Feed
from .guard import Guard, not_finite
from .log.moments import Moments
from .numerics.programs import Programs
from .onlookers import Onlookers
from .players import Nets, players
from .processes.stopping import DONE, RESUMABLE, Stop
from .processes.world import World
from .samples.sampling import draw_together
from .shares import shares
from .storage import checkpoints
from .storage.saver import Saver
from .storage.store import Store

DTYPES = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}

GRID_CHUNKS = 4
"""Chunks that the samples for observers are drawn in at least, so that as many processes share the work; the same
for any number of processes, since rounding depends on the chunk."""


class Loop:
    """A run in memory.

    Args:
        recipe: the structured recipe.
        facts: what its check found.
        assembly: the built parts.
        sampler: the built sampler.
        source: the opened data.
        world: this process.
        parallel: how the processes share the nets.
        store: where its checkpoints lie.
        folder: the run folder.
    """

    def __init__(
        self,
        recipe: Recipe,
        facts: Facts,
        assembly: Assembly,
        sampler: Any,
        source: Any,
        world: World,
        parallel: Parallelism,
        store: Store,
        folder: Path,
    ) -> None:
        training = recipe.training
        self.recipe, self.facts, self.world, self.source, self.sampler = recipe, facts, world, source, sampler
        self.plan, self.folder = assembly.plan, folder
        self.dtype = DTYPES[training.precision]
        self.nets = Nets(self.plan, world, self.dtype, parallel)
        self.averages = averages(recipe, self.plan, self.nets.modules, self.nets.hollows)
        refusal = "its weights lie in shards" if parallel.sharded else ""
        self.programs = Programs(training.compile, training.precision, world, training.deterministic, refusal)
        self.players = players(self.plan, self.nets, facts, world, training, self.programs)
        self.guard = Guard(training.non_finite, training.max_non_finite, world)
        self.moments = Moments(facts.steps, world)
        optimizers = {u.name: u.optimizer.name for u in self.plan.updates}
        self.saver = Saver(store, world, training, {"optimizers": optimizers, "versions": {"torch": torch.__version__}})
        counted = facts.classes is not None and hasattr(source, "label_counts")
        self.label_counts = [int(c) for c in source.label_counts()] if counted else None
        self.step = 0
        """Steps that were done before the one that is being taken."""

    def restore(self) -> tuple[int, list[str]]:
        """(the step of the newest checkpoint that verifies or 0, what is to be said); puts its tensors back."""
        newest, refused = self.world.told(checkpoints.newest(self.saver.store) if self.world.first else None)
        if self.world.first:
            for damaged in refused:
                checkpoints.withdraw(damaged)
        if newest is None:
            return 0, list(refused.values())
        players = list(self.players.values())
        commit, table = checkpoints.load(newest, self.world, place=learned.places(self.nets, self.averages, players))
        changed = learned.restore(table, commit.get("optimizers", {}), self.nets, self.averages, players)
        self.guard.restore(commit.get("not_finite", {}))
        return int(commit["step"]), [*refused.values(), *changed]

    def table(self) -> dict[str, Tensor]:
        """Everything that learning produced."""
        return learned.collect(self.nets, self.averages, list(self.players.values()))

    def run(self, start: int, stop: Stop, onlookers: Onlookers) -> int:
        """Train from step `start` on, and say how it ended: an exit code.

        Raises:
            Diverged, Rewind: a gradient was not finite.
            GentoolError: a checkpoint could not be written.
        """
        training, watchers, meters = self.recipe.training, onlookers.watchers, onlookers.meters
        batches = max(u.repeat for u in self.plan.updates)
        feed = Feed(self.source, self.recipe, self.facts, self.world, batches, start, self.dtype, self.guard.again)
        watchers.call("run_started", step=start)
        for step in range(start, training.steps):
            self.step = step
            with meters.spending("data"):
                drawn = [feed.next() for _ in range(batches)]
            self.take(step, drawn)

            done, last = step + 1, step + 1 == training.steps
            if self.saver.failed:
                stop.ask("save")
            leaving = stop.agreed() or last
            due = done % training.checkpoint_every == 0 or leaving
            if due or onlookers.evaluations.due(done) or done % training.log_every == 0:
                self.log(done, onlookers)
            best = onlookers.look(done, self.averages["ema/denoiser"], self.samples, stop, hurried=leaving and not last)
            if due or best:
                with meters.spending("saving"):
                    self.saver.begin(done, self.table(), {"not_finite": self.guard.state()})
                    if leaving:
                        self.saver.wait()
            for saved in self.saver.finished():
                watchers.call("checkpoint_saved", step=saved.step, folder=str(saved))
            if leaving:
                watchers.call("run_ended", step=done)
                return DONE if last else RESUMABLE
        return DONE

    def take(self, step: int, drawn: list[Batch]) -> None:
        """One optimisation step: the updates that are due, each on batches of its own, then the averages."""
        for update in self.plan.due(step):
            for repeat in range(update.repeat):
                self.guard.comes(step, update, repeat)
                key = (step, update.name, repeat, *self.guard.redraw(step))
                micros, draws = shares(drawn[repeat], key, self.recipe.training, self.world, self.dtype)
                self.players[update.name].step(step, micros, draws, self.guard, self.moments)
        for name, average in self.averages.items():
            average.update(step, self.guard.held(name.rpartition("/")[2]))

    def log(self, done: int, onlookers: Onlookers) -> None:
        """Write a line of the log; the only place where the loop waits for the device.

        Raises:
            Diverged, Rewind: a gradient since the last line was not finite.
        """
        event = self.guard.read()
        means = self.moments.read()
        line = {"step": done, **onlookers.meters.read(done), **means, **self.guard.logs()}
        if onlookers.journal is not None:
            onlookers.journal.write(line)
        if event is not None:
            failed(self, event, not_finite(means), onlookers.console)
        onlookers.console.logged(done, line)
        onlookers.watchers.call("step_ended", step=done, logs=line)

    def samples(self, n: int, stop: Stop) -> Tensor | None:
        """The first `n` samples of seed 0 from the averaged weights, drawn by all processes: on the first one's CPU; None
        elsewhere, or if a stop was agreed on meanwhile."""
        batch = min(-(-n // GRID_CHUNKS), self.recipe.sampler.batch)
        with self.averages["ema/denoiser"].whole() as model:
            return draw_together(model, self.sampler, self.facts, n, 0, batch, self.world, stop, self.label_counts)
