"""One component the way a recipe holds it: from a table to a config, and from a config to a table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from gentoolkit.recipe.nodes import Dropped, Leaf, Table, place, table_from
from gentoolkit.recipe.resolved import _values, toml
from gentoolkit.recipe.structure import DEFAULT, _Structuring, mistakes
from gentoolkit.registry import Component, GentoolError

C = TypeVar("C", bound=Component)
AT = "part"


def structured(slot: type[C], table: Mapping[str, Any] | Table) -> C:
    """The config of a table with `use`, as a recipe with that table would have it.

    Raises:
        GentoolError: everything that is wrong with it.
    """
    node = table if isinstance(table, Table) else table_from(dict(table), lambda _: DEFAULT, Path.cwd())
    try:
        return _Structuring().part(node, slot)  # type: ignore[return-value]
    except ExceptionGroup as error:
        said = [f"{'.'.join(map(str, keys))}: {m.sentence} {m.label}".strip() for keys, m in mistakes(error)]
        raise GentoolError("; ".join(said)) from error


def unstructured(config: Component) -> Table:
    """The table that a resolved recipe has for a config: every value written out, through TOML text and back."""
    table = Table(origin=DEFAULT, bare=True)
    for keys, value in _values(config, (AT,), Table(origin=DEFAULT)):
        if value.kind == "no part":
            table = place(table, keys[1:], Leaf(Dropped(found=True), DEFAULT, Path.cwd()))
        elif value.kind == "table":
            table = place(table, keys[1:], Table(origin=DEFAULT, bare=True))
        else:
            again = tomllib.loads(f"value = {toml(value.value)}")
            node = table_from(again, lambda _: DEFAULT, Path.cwd(), bare=True).entries["value"]
            table = place(table, keys[1:], node)
    return table
