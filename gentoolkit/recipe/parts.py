"""One component apart from a recipe: from a table to its config class and back, by the rules that hold within recipes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from gentoolkit.registry import Component

from .nodes import Dropped, Leaf, Node, Table, place, table_from
from .problems import Problem, RecipeError
from .resolved import toml, values_below
from .structure import DEFAULT, Structuring, mistakes

C = TypeVar("C", bound=Component)


def part_from(slot: type[C], table: Mapping[str, Any] | Table) -> C:
    """The component of a table with `use`, as a recipe with that table would have it.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    node = table if isinstance(table, Table) else table_from(table, lambda _: DEFAULT, Path.cwd())
    try:
        return cast(C, Structuring().part(node, slot))
    except ExceptionGroup as error:
        raise RecipeError(
            Problem(m.sentence, keys, label=m.label, notes=m.notes, hint=m.hint) for keys, m in mistakes(error)
        ) from None


def table_of(part: Component) -> Table:
    """The table that a resolved recipe has for a component: every value, through TOML text and back.

    Raises:
        GentoolError: it is not registered, or holds a value that TOML does not have.
    """
    table = Table(origin=DEFAULT, bare=True)
    for keys, value in values_below(part, (), Table(origin=DEFAULT)):
        node: Node
        if value.kind == "no part":
            node = Leaf(Dropped(found=True), DEFAULT, Path.cwd())
        elif value.kind == "table":
            node = Table(origin=DEFAULT, bare=True)
        else:
            read = tomllib.loads(f"value = {toml(value.value)}")
            node = table_from(read, lambda _: DEFAULT, Path.cwd(), bare=True).entries["value"]
        table = place(table, keys, node)
    return table
