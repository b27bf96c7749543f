"""The observers of a run: a pluggy manager of their own, and the promise that they cannot hurt it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pluggy
from attrs import frozen

from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Facts
from gentoolkit.registry.hooks import Watching

from ..processes.world import World

AHEAD = 64
"""Steps of which the wishes for samples are told at once."""


@frozen
class RunView:
    """What observers see of a run."""

    folder: Path
    name: str
    recipe: Recipe
    facts: Facts
    id: str = ""
    """Of the run: the same for the same recipe."""


class Watchers:
    """The recipe's observers, called in its order; one that fails is named, disabled, and the run goes on.

    Args:
        observers: built observers by their name in the recipe; none at processes other than the first.
        view: what they see.
        warn: where failures are said.
        world: this process.
    """

    def __init__(self, observers: Mapping[str, Any], view: RunView, warn: Callable[[str], None], world: World) -> None:
        self.view, self.warn, self.world = view, warn, world
        self._wishes: dict[int, int] = {}
        self.managers: dict[str, pluggy.PluginManager] = {}
        for name, observer in observers.items():
            manager = pluggy.PluginManager("gentoolkit")
            manager.add_hookspecs(Watching)
            manager.register(observer)
            self.managers[name] = manager

    def call(self, hook: str, **what: Any) -> None:
        """Call a hook of all observers."""
        for _ in self._each(hook, list, run=self.view, **what):
            pass

    def wants(self, step: int) -> int:
        """The number of samples wanted after `step`, known to all processes, which all ask; the first one tells the others of
        many steps at once, so that they seldom meet for it."""
        if self.world.size == 1:
            return self._wanted(step)
        if step not in self._wishes:
            ahead = {at: self._wanted(at) for at in range(step, step + AHEAD)} if self.world.first else {}
            self._wishes = self.world.told(ahead)
        return self._wishes[step]

    def _wanted(self, step: int) -> int:
        return max((n for _, n in self._each("wants", lambda found: max(map(int, found), default=0), step=step)), default=0)

    def _each(self, hook: str, reading: Callable[[Any], Any], **what: Any) -> Any:
        for name, manager in list(self.managers.items()):
            try:
                result = reading(getattr(manager.hook, hook)(**what))
            except Exception as error:
                del self.managers[name]
                self.warn(f"observer '{name}' failed in {hook} and is switched off: {type(error).__name__}: {error}")
            else:
                yield name, result
