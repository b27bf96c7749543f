"""What the loop does once a gradient was not finite: keep the weights before it in `RUN/dumps`, stop, or go back.

Steps that fail are held back, so the weights that are there when this is noticed are those before the failing update. Updates
of the same step that came before it were taken. Where updates are left out, the run has gone on since, and nothing is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .guard import DUMPS, Diverged, Event, Rewind
from .log.console import Console
from .onlookers import Onlookers
from .processes.stopping import Stop
from .storage.store import Store
from .storage.writing import write

if TYPE_CHECKING:
    from .loop import Loop


def failed(loop: Loop, event: Event, culprits: list[str], console: Console) -> None:
    """Say what was not finite, and stop or go back where that is what is to be done; every process calls it.

    Args:
        loop: the run.
        event: what happened.
        culprits: names of the logged numbers that were not finite.
        console: where it is said.

    Raises:
        Diverged, Rewind: as the recipe has it.
    """
    guard = loop.guard
    said = guard.describe(event, loop.folder, culprits, loop.recipe.training.precision)
    if guard.how != "skip":
        here = loop.world.collected(loop.moments.broken_here())
        about = {"not_finite": guard.state(), "failed": {"update": event.update, "repeat": event.repeat, "not_finite": here}}
        write(
            Store(loop.folder / DUMPS),
            event.step - 1,
            loop.table(),
            loop.world,
            {**loop.saver.about, **about},
            loop.world.flags,
        )
    if guard.exhausted:
        raise Diverged(said)
    if loop.world.first:
        console.warn(said)
    if guard.how == "rewind":
        raise Rewind(event)


def run(loop: Loop, start: int, stop: Stop, onlookers: Onlookers) -> int:
    """`Loop.run`, and again from the newest checkpoint as often as the recipe goes back to it."""
    if start == 0 and loop.guard.how == "rewind":
        loop.saver.begin(0, loop.table(), {"not_finite": loop.guard.state()})
    while True:
        try:
            return loop.run(start, stop, onlookers)
        except Rewind as back:
            start = rewind(loop, back.event)
            journal = onlookers.journal
            if journal is not None:
                journal.rewind(start)
            onlookers.meters.rewind(start, journal.counted if journal is not None else 0.0)


def rewind(loop: Loop, event: Event) -> int:
    """Put the newest checkpoint back; the step to go on from. Every process calls it."""
    loop.saver.wait()
    for player in loop.players.values():
        player.optimizer.state.clear()
    redrawn = loop.guard.redrawn
    start, _ = loop.restore()
    loop.guard.rewound(start, event, redrawn)
    return start
