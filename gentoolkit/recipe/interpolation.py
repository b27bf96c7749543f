"""Interpolation: a text that is exactly `${a.b}` takes the value that stands there; `${env:NAME}` the environment's.

There is no string building and there are no expressions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from attrs import evolve

from .layers import nothing_like
from .nodes import UNKNOWN, Dropped, Leaf, Node, Table, at
from .origins import Origin
from .positions import Keys, TooDeep, join_key, split_key
from .problems import Problem

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_WITH_ENVIRONMENT = ("data", "run")
MOST_VALUES = 10_000
"""Values that references may copy, all in all: tables that refer to tables could ask for 2^n."""
LONGEST = 32
"""References that may follow on one another."""


def interpolated(tree: Table) -> tuple[Table, list[Problem]]:
    """The tree with every reference replaced by its value, and what went wrong; a failed one becomes UNKNOWN."""
    work = _Interpolation(tree)
    made = work.node((), tree)
    assert isinstance(made, Table)
    return made, work.problems


class _Interpolation:
    def __init__(self, tree: Table) -> None:
        self.tree = tree
        self.problems: list[Problem] = []
        self.done: dict[Keys, Node] = {}
        self.under_way: list[Keys] = []
        self.left = MOST_VALUES

    def node(self, keys: Keys, node: Node) -> Node:
        if isinstance(node, Table):
            return evolve(
                node,
                entries={k: self.node((*keys, k), below) for k, below in node.entries.items()},
                alone=node.alone and self.alone(keys, node.alone),
            )
        if keys not in self.done:
            self.under_way.append(keys)
            self.done[keys] = self.leaf(keys, node)
            self.under_way.pop()
        return self.done[keys]

    def alone(self, keys: Keys, table: Table) -> Table:
        """The same values as in the table itself, fewer of them."""
        entries: dict[str, Node] = {}
        for key, below in table.entries.items():
            here = (*keys, key)
            entries[key] = self.alone(here, below) if isinstance(below, Table) else self.node(here, below)
        return evolve(table, entries=entries)

    def leaf(self, keys: Keys, leaf: Leaf) -> Node:
        if isinstance(leaf.value, str):
            return self.text(keys, leaf)
        if isinstance(leaf.value, list) and any(isinstance(v, str) and "${" in v for v in leaf.value):
            items = [self.text(keys, evolve(leaf, value=v)) if isinstance(v, str) else v for v in leaf.value]
            values = [v.value if isinstance(v, Leaf) else v for v in items]
            return evolve(leaf, value=UNKNOWN if any(v is UNKNOWN or isinstance(v, Table) for v in values) else values)
        return leaf

    def text(self, keys: Keys, leaf: Leaf) -> Node:
        text: str = leaf.value
        found = _REFERENCE.fullmatch(text)
        if found is None:
            if _REFERENCE.search(text):
                return self.fail(keys, leaf, f"'{text}' mixes a reference with other text", "a reference is the whole text")
            return leaf
        if found[1].startswith("env:"):
            return self.environment(keys, leaf, found[1].removeprefix("env:"))
        target = _keys(found[1])
        there = at(self.tree, target) if target else None
        if target is None or there is None or (isinstance(there, Leaf) and isinstance(there.value, Dropped)):
            label = nothing_like(self.tree, target or (), "only what some layer writes can be taken, not a default")
            return self.fail(keys, leaf, f"'{text}' refers to nothing", label)
        if target in self.under_way or any(u[: len(target)] == target for u in self.under_way):
            circle = " -> ".join(join_key(k) for k in (*self.under_way, target))
            return self.fail(keys, leaf, f"'{text}' refers to itself in a circle", circle)
        if len(self.under_way) > LONGEST:
            return self.fail(keys, leaf, f"'{text}' is reached over more than {LONGEST} references", "")
        value = self.node(target, there)
        self.left -= size(value)
        if self.left < 0:
            return self.fail(keys, leaf, f"references copy more than {MOST_VALUES} values", "")
        return moved(value, leaf.origin)

    def environment(self, keys: Keys, leaf: Leaf, name: str) -> Leaf:
        if keys[0] not in _WITH_ENVIRONMENT:
            said = f"'{leaf.value}' stands in [{keys[0]}], but the environment decides in [data] and [run] only"
            return self.fail(keys, leaf, said, "a run must follow from its recipe")
        if name not in os.environ:
            return self.fail(keys, leaf, f"the environment variable {name} is not set", "", f"export {name}=...")
        return evolve(leaf, value=os.environ[name], folder=Path.cwd())

    def fail(self, keys: Keys, leaf: Leaf, sentence: str, label: str, hint: str = "") -> Leaf:
        self.problems.append(Problem(sentence, keys, leaf.origin, label, hint=hint))
        return evolve(leaf, value=UNKNOWN)


def moved(node: Node, origin: Origin) -> Node:
    """The same values as written at `origin`; paths stay relative to where they were written."""
    if isinstance(node, Leaf):
        return evolve(node, origin=origin)
    return evolve(node, entries={k: moved(n, origin) for k, n in node.entries.items()}, origin=origin)


def size(node: Any) -> int:
    """How many values a node holds."""
    if isinstance(node, Leaf):
        return len(node.value) + 1 if isinstance(node.value, list) else 1
    return 1 + sum(size(below) for below in node.entries.values())


def _keys(text: str) -> Keys | None:
    try:
        return split_key(text.strip())
    except TooDeep:
        return None
