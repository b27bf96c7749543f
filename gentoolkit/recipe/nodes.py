"""A recipe before it is structured: nested tables whose every value knows where it was written, and how they merge.

One rule: tables merge key by key, anything else replaces; a table whose `use` differs from the lower one's replaces it
whole. `schedule = "vp"` is short for `{ use = "vp" }` wherever it meets a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from gentoolkit.registry import GentoolError

from .origins import Origin
from .positions import DEEPEST, Keys


@frozen(eq=False)
class Leaf:
    """A value that is no table."""

    value: Any
    origin: Origin
    folder: Path
    """What it is relative to if it turns out to be a path."""
    bare: bool = False
    """Whether nothing lies below it: what was there has been dropped."""


@frozen(eq=False)
class Table:
    """A table."""

    entries: Mapping[str, Leaf | Table] = field(factory=dict)
    origin: Origin = field(kw_only=True)
    bare: bool = False
    """Whether no default lies below it: it replaces a dropped table, or is a resolved recipe's."""
    alone: Table | None = None
    """What it is without lower layers that had no `use`: what holds over a table, or a default, whose `use` is another."""

    @property
    def use(self) -> Any:
        """The component it names, None if it names none."""
        named = self.entries.get("use")
        return named.value if isinstance(named, Leaf) else None


Node: TypeAlias = Leaf | Table


@frozen
class Dropped:
    """In place of a value that a file dropped."""

    found: bool
    """Whether a lower layer had it; if not, there must be a default to drop."""


class BadValue(GentoolError):
    """A value that no recipe can hold."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys


class _Unknown:
    def __repr__(self) -> str:
        return "(unknown)"


UNKNOWN = _Unknown()
"""In place of a value that could not be found out, after a problem that has been told already."""


def merge(lower: Table, upper: Table, whole: bool = True) -> Table:
    """`upper` laid over `lower`; with `whole = False` another `use` replaces only the name (arguments of one command)."""
    if upper.bare:
        return upper
    if whole and upper.use is not None and lower.use is not None and upper.use != lower.use:
        return upper.alone or upper
    entries = dict(lower.entries)
    for key, node in upper.entries.items():
        entries[key] = over(entries[key], node, whole) if key in entries else node
    alone = lower.alone and merge(lower.alone, upper, whole)
    if whole and upper.use is not None and lower.use is None:
        alone = upper
    origin = upper.origin if upper.origin.source.numbered else lower.origin  # an argument names no table
    return Table(entries, origin=origin, bare=lower.bare, alone=alone)


def over(lower: Node, upper: Node, whole: bool = True) -> Node:
    """One value laid over another."""
    if isinstance(lower, Leaf) and isinstance(lower.value, Dropped):
        return evolve(upper, bare=True)
    if isinstance(lower, Table) and isinstance(upper, Leaf) and isinstance(upper.value, str):
        upper = named(upper)
    if isinstance(upper, Leaf):
        if isinstance(upper.value, Dropped):
            return evolve(upper, value=Dropped(found=True))
        return upper
    if isinstance(lower, Leaf):
        if not isinstance(lower.value, str):
            return upper
        lower = named(lower)
    return merge(lower, upper, whole)


def named(leaf: Leaf) -> Table:
    """The table that a name is short for."""
    return Table({"use": leaf}, origin=leaf.origin, bare=leaf.bare)


def place(table: Table, keys: Keys, node: Node) -> Table:
    """`table` with `node` laid at `keys`, whatever was there."""
    key, rest = keys[0], keys[1:]
    entries = dict(table.entries)
    if not rest:
        entries[key] = node
    else:
        below = entries.get(key)
        if isinstance(below, Leaf):
            below = named(below) if isinstance(below.value, str) else None
        entries[key] = place(below or Table(origin=node.origin), rest, node)
    return evolve(table, entries=entries, alone=table.alone and place(table.alone, keys, node))


def at(table: Table, keys: Keys) -> Node | None:
    """What stands at `keys`, or None."""
    node: Node = table
    for key in keys:
        if not isinstance(node, Table) or key not in node.entries:
            return None
        node = node.entries[key]
    return node


def closest(table: Table, keys: Keys) -> tuple[Origin, bool]:
    """Where `keys` was written, or else the nearest thing above it that was, and whether it is the thing itself."""
    node: Node = table
    for key in keys:
        if not isinstance(node, Table) or key not in node.entries:
            use = node.entries.get("use") if isinstance(node, Table) else None
            return (use.origin if use is not None and node is not table else node.origin), False
        node = node.entries[key]
    return node.origin, True


def leaves(node: Node, keys: Keys = ()) -> Iterator[tuple[Keys, Leaf]]:
    """All values with their dotted keys."""
    if isinstance(node, Leaf):
        yield keys, node
    else:
        for key, below in node.entries.items():
            yield from leaves(below, (*keys, key))


def plain(node: Node) -> Any:
    """The bare Python value."""
    return node.value if isinstance(node, Leaf) else {key: plain(below) for key, below in node.entries.items()}


def table_from(
    values: Mapping[Any, Any], origin_of: Callable[[Keys], Origin], folder: Path, keys: Keys = (), bare: bool = False
) -> Table:
    """Nodes of a parsed table.

    Raises:
        BadValue: nested too deep, a key that is no text, text that is not Unicode, a number beyond 64 bits.
    """
    if len(keys) > DEEPEST:
        raise BadValue(keys, f"a recipe is nested deeper than {DEEPEST} levels")
    entries: dict[str, Node] = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise BadValue(keys, f"keys of a recipe are texts, not {key!r}")
        here = (*keys, _checked(key, keys))
        if isinstance(value, Mapping):
            entries[key] = table_from(value, origin_of, folder, here, bare)
        else:
            entries[key] = Leaf(_clean(value, here), origin_of(here), folder)
    return Table(entries, origin=origin_of(keys), bare=bare)


def _clean(value: Any, keys: Keys, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise BadValue(keys, f"a recipe is nested deeper than {DEEPEST} levels")
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, date | time):
        return str(value)
    if isinstance(value, str):
        return _checked(value, keys)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        raise BadValue(keys, "a whole number that does not fit into 64 bits")
    if isinstance(value, list | tuple):
        return [_clean(v, keys, depth + 1) for v in value]
    if isinstance(value, Mapping):
        return {_checked(str(k), keys): _clean(v, keys, depth + 1) for k, v in value.items()}
    return value


def _checked(text: str, keys: Keys) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadValue(keys, f"{text!r} is not valid Unicode text") from None
    return text
