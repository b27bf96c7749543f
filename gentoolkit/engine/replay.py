"""One step of a run again, looked at closely: from the newest checkpoint before it, with the same data and noise.

report = gentoolkit.replay("runs/quickstart", 1234)      # str(report) is what `gentool replay` prints

A step that failed can also be replayed from its dump, whose weights are those before the failing update. Losses run eagerly,
on one process: numbers of a run that compiled them, or ran on several, agree up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from gentoolkit import recipe as recipes
from gentoolkit.registry import GentoolError

from . import learned
from .assemble import assemble, build
from .feed import Feed
from .guard import DUMPS, not_finite
from .loop import DTYPES, Loop
from .models.trained import load_reference, run_folder
from .processes.world import world
from .processes.wrap import shared
from .storage import checkpoints, folder, journal
from .storage.checkpoints import Checkpoint

PLAINLY = ("training.parallel=auto", "training.compile=off", "training.workers=0")
SHOWN = 8


@frozen
class Replayed:
    """What a step was found to do."""

    step: int
    """As the log counts: the first step of a run is 1."""
    start: str
    """The checkpoint or dump it was replayed from; empty for the weights of the beginning."""
    values: dict[str, float]
    """Terms, logs and gradient norms, as in the log."""
    logged: dict[str, Any]
    """The same as the log has them, where its line tells of the same steps; else empty."""
    module: str | None
    """The first module whose output was not finite."""
    gradients: tuple[str, ...]
    """Parameters whose gradient was not finite."""

    @property
    def finite(self) -> bool:
        """Whether nothing was found."""
        return not (not_finite(self.values) or self.module or self.gradients)

    @property
    def same(self) -> bool | None:
        """Whether the numbers are those of the log; None where it has none to compare."""
        if not self.logged:
            return None
        return all(str(self.logged.get(name)) == str(value) for name, value in self.values.items())

    def __str__(self) -> str:
        lines = [f"step {self.step}, replayed from {self.start or 'the beginning'}"]
        for name, value in self.values.items():
            told = ""
            if self.logged:
                logged = self.logged.get(name)
                told = "  as logged" if str(logged) == str(value) else f"  logged: {logged}"
            lines.append(f"  {name:<32} {value:.9g}{told}")
        if not self.logged:
            lines.append("  (the log has no line of these very steps to compare with)")
        lines.append(f"first module with an output that is not finite: {self.module or 'none'}")
        shown = ", ".join(self.gradients[:SHOWN]) or "none"
        more = f" and {len(self.gradients) - SHOWN} more" if len(self.gradients) > SHOWN else ""
        lines.append(f"parameters with a gradient that is not finite: {shown}{more}")
        return "\n".join(lines)


def replay(run: str | Path, step: int, trust_local: bool | None = None) -> Replayed:
    """Take step `step` of a run again, and look at it; the run folder is only read.

    Args:
        run: the run folder.
        step: as the log counts, from 1.
        trust_local: whether code that the recipe brings may be run.

    Raises:
        GentoolError: there is no such run or step.
    """
    where = run_folder(run)
    loaded = recipes.load(where, PLAINLY, trust_local=trust_local)
    recipe, facts = loaded.recipe, loaded.facts
    if not 1 <= step <= recipe.training.steps:
        raise GentoolError(f"{run} has steps 1 to {recipe.training.steps}, not {step}")
    with ExitStack() as stack:
        here = stack.enter_context(world(recipe.training.device))
        load = partial(load_reference, device=here.device, dtype=DTYPES[recipe.training.precision])
        assembly = assemble(recipe, facts, load)
        sampler = build(recipe.sampler, facts, assembly.parts, load_reference)
        data = build(recipe.data, facts, {}, load_reference)
        store = folder.store_of(recipe, where)
        loop = Loop(recipe, facts, assembly, sampler, data, here, shared("auto", here, 0, None), store, where)
        stack.callback(loop.saver.close)
        found = newest_before(step, store, where / DUMPS)
        start, failed = (0, {}) if found is None else restore(loop, found)
        log = {line["step"]: line for line in journal.read(where / folder.METRICS)}
        batches = max(u.repeat for u in loop.plan.updates)
        feed = Feed(data, recipe, facts, here, batches, start, loop.dtype, loop.guard.again)
        for done in range(start, step - 1):
            loop.take(done, [feed.next() for _ in range(batches)])
            if done + 1 in log:
                loop.moments.read()
        module, gradients = looked_at(loop, step, [feed.next() for _ in range(batches)], failed)
        values = {name: value for name, value in loop.moments.read().items() if isinstance(value, float)}
    before = max((s for s in log if s < step), default=0)
    line = log[step] if step in log and start <= before and not failed else {}
    logged = {name: line[name] for name in values if name in line}
    return Replayed(step, str(found) if found else "", values, logged, module, gradients)


def newest_before(step: int, store: Any, dumps: Path) -> Checkpoint | None:
    """The newest whole checkpoint before a step, or the dump of that very step if there is none as near."""
    known = [c for c in checkpoints.committed(store) if c.step < step]
    failed = [c for c in checkpoints.committed(dumps) if c.step == step - 1] if dumps.is_dir() else []
    for found in sorted([*known, *failed], key=lambda c: c.step, reverse=True):
        if checkpoints.damage(found) is None:
            return found
    return None


def restore(loop: Loop, found: Checkpoint) -> tuple[int, dict[str, Any]]:
    """(steps done, what failed where it is a dump); puts a checkpoint's tensors back."""
    players = list(loop.players.values())
    commit, table = checkpoints.load(found, loop.world, place=learned.places(loop.nets, loop.averages, players))
    learned.restore(table, commit.get("optimizers", {}), loop.nets, loop.averages, players)
    loop.guard.restore(commit.get("not_finite", {}))
    return int(commit["step"]), commit.get("failed", {})


def looked_at(loop: Loop, step: int, drawn: list[Any], failed: dict[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """(first module with an output that is not finite, parameters with such a gradient) of a step that is taken here.

    From a dump, updates that came before the failing one were taken already, and are passed over.
    """
    modules: list[str] = []
    gradients: list[str] = []
    hooks = []
    for net, root in loop.nets.modules.items():
        for name, module in root.named_modules():
            path = f"{net}.{name}" if name else net
            hooks.append(module.register_forward_hook(partial(see, path, modules)))
    passing = bool(failed)
    for update in loop.plan.due(step - 1):
        player = loop.players[update.name]
        passing = passing and update.name != failed["update"]
        if passing:
            player.step = lambda *_: None  # type: ignore[method-assign]
        player.advance = partial(judge, player, gradients, player.advance)  # type: ignore[method-assign]
    loop.take(step - 1, drawn)
    for hook in hooks:
        hook.remove()
    return (modules[0] if modules else None), tuple(dict.fromkeys(gradients))


def see(path: str, found: list[str], module: nn.Module, inputs: Any, output: Any) -> None:
    """A forward hook: note a module whose output is not finite."""
    if isinstance(output, Tensor) and output.is_floating_point() and not torch.isfinite(output).all():
        found.append(path)


def judge(player: Any, found: list[str], advance: Callable[[Tensor, Tensor], None], norm: Tensor, held: Tensor) -> None:
    """In place of a player's `advance`: note the gradients that are not finite first."""
    found.extend(key for key, w in player.named if w.grad is not None and not torch.isfinite(w.grad).all())
    advance(norm, held)
