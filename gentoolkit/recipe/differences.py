"""What differs between two recipes, and which of it means that they do not learn the same."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from gentoolkit.components.optimizers import LRSchedule
from gentoolkit.components.regularizers import Regularizer

from .check import all_parts
from .positions import join_key
from .resolved import Value, toml
from .tree import Recipe


@frozen
class Difference:
    """One value that is not the same."""

    path: str
    old: Any
    new: Any
    change: bool
    """Whether a run may not go on with it as if nothing had happened."""

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} -> {_shown(self.new)}"


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()
"""In place of a value that one of the two does not have."""


def compared(old: dict[Any, Value], new: dict[Any, Value], recipe: Recipe) -> tuple[Difference, ...]:
    """Differences between two resolved recipes, of which `recipe` is the new one.

    No change are the run's name and folder, where data lies, how often is logged and saved, observers and metrics, and
    more steps where every learning rate and every regularizer's strength is constant.
    """
    found = []
    for keys in in_order(list(old), list(new)):
        one, two = old.get(keys), new.get(keys)
        if one is not None and two is not None and (one.value == two.value and type(one.value) is type(two.value)):
            continue
        if keys == ("local", "modules") or any(v is not None and v.kind == "table" for v in (one, two)):
            continue  # files are compared by content, tables by their parts
        counts = any(v is not None and v.counts for v in (one, two))
        if keys == ("training", "steps") and one and two and two.value > one.value and constant_rates(recipe):
            counts = False
        a, b = (v.value if v is not None else ABSENT for v in (one, two))
        found.append(Difference(join_key(keys), a, b, counts))
    return tuple(found)


def in_order(old: list[Any], new: list[Any]) -> list[Any]:
    """The entries of both, once each: what only `new` has stands behind what it stands behind there."""
    both, at = list(old), 0
    for entry in new:
        if entry in both:
            at = both.index(entry) + 1
        else:
            both.insert(at, entry)
            at += 1
    return both


def constant_rates(recipe: Recipe) -> bool:
    """Whether no learning rate and no strength depends on the number of training steps."""
    return all(part.constant for _, part in all_parts(recipe) if isinstance(part, LRSchedule | Regularizer))


def _shown(value: Any) -> str:
    return repr(value) if value is ABSENT else toml(value)
