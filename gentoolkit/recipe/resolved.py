"""The resolved recipe: every value written out, versions pinned, origins as comments; itself a recipe.

Its canonical form leaves out what does not change what is learned, and its hash is the run id.
"""

from __future__ import annotations

import hashlib
import json
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from gentoolkit.registry import Component, GentoolError, RunRef, get_registry, slot_of

from .local import LocalFile
from .nodes import Leaf, Table, at
from .positions import Keys, join_key, quoted
from .structure import optional, options_of, section_of
from .tree import Recipe

HEADER = "# Every value of the run, with where it is from. This is a recipe: it can be trained, changed and extended."

WITHOUT_EFFECT = frozenset(
    {
        *(("training", n) for n in ("log_every", "checkpoint_every", "keep", "keep_every", "async_checkpoints")),
        *(("training", n) for n in ("snapshot_every", "evaluate_every", "keep_best", "resume", "workers")),
        *(("training", n) for n in ("device", "parallel", "non_finite", "max_non_finite")),
        ("run", "name"),
        ("run", "folder"),
        ("run", "checkpoints"),
        ("local", "modules"),
    }
)
"""Values that do not change what is learned; nor do observers, metrics and where data lies."""

PATHS_THAT_COUNT = frozenset({("start", "run")})
"""Where data lies is no part of what is learned from it; from which weights training starts is."""

NEUTRAL: Mapping[Keys, Any] = {("ema", "sigma_rel"): None}
"""Options that came later, with the value at which a run is what it was before: it leaves the run id alone."""


@frozen
class Value:
    """One value of a resolved recipe."""

    value: Any
    origin: str
    counts: bool
    """Whether it is part of the run's identity."""
    kind: str = "value"
    """`value`, `table` (a table of parts, which may be empty) or `no part` (a default part that was dropped)."""


def values_of(recipe: Recipe, tree: Table) -> dict[Keys, Value]:
    """Every value by dotted key, in the order of the tree; a part's `use` is pinned to its version.

    Raises:
        GentoolError: a part is not registered, so that no recipe could name it.
    """
    found = dict(values_below(recipe, (), tree))
    if recipe.run.name is not None and at(tree, ("run", "name")) is None:
        found["run", "name"] = Value(recipe.run.name, "the file's name", False)
    return found


def values_below(owner: Any, keys: Keys, tree: Table) -> Iterator[tuple[Keys, Value]]:
    """A section's or component's own values, then its parts'."""
    if isinstance(owner, Component):
        yield (*keys, "use"), Value(pinned(owner), _origin(tree, (*keys, "use")), _counts((*keys, "use")))
    known = options_of(type(owner))
    parts = [name for name, option in known.items() if section_of(option.type)[0] or slot_of(option.type)[0]]
    for name, option in known.items():
        value, here = getattr(owner, name), (*keys, name)
        if name not in parts:
            if value is not None or option.default is not None or _has_none(option.type):
                yield here, Value(value, _origin(tree, here), _counts(here) and (not option.path or here in PATHS_THAT_COUNT))
        elif value is None and option.default is not None:
            yield here, Value(None, _origin(tree, here), _counts(here), "no part")
    for name in parts:
        value, here = getattr(owner, name), (*keys, name)
        if isinstance(value, dict):
            if slot_of(known[name].type)[0] is not None:  # an empty table takes default parts away; sections have none
                yield here, Value({}, "", False, "table")
            for key, part in value.items():
                yield from values_below(part, (*here, key), tree)
        elif value is not None:
            yield from values_below(value, here, tree)


def _has_none(hint: Any) -> bool:
    """Whether `none` can be written for this type: not where it would be text like any other."""
    return optional(hint) and str not in typing.get_args(hint) and RunRef not in typing.get_args(hint)


def _counts(keys: Keys) -> bool:
    return keys not in WITHOUT_EFFECT and keys[0] not in ("observers", "metrics")


def _origin(tree: Table, keys: Keys) -> str:
    node, short = at(tree, keys), at(tree, keys[:-1])
    if node is None and keys[-1] == "use" and isinstance(short, Leaf):
        node = short
    return "default" if node is None else str(node.origin)


def pinned(part: Component) -> str:
    """`name@version` of a component, registered or found by its class.

    Raises:
        GentoolError: it is not registered.
    """
    if not part.name:
        cls = type(part)
        target = f"{cls.__module__}:{cls.__qualname__}"
        entries = get_registry().entries(part.slot)
        entry = next((e for e in entries if e.target in (target, cls)), None) or next(
            (e for e in entries if e.load() is cls), None
        )
        if entry is None:
            raise GentoolError(
                f"{part.slot} {cls.__name__} is not registered, so no recipe could repeat this run; "
                "name its file in [local] modules or register it in a plugin"
            )
        entry.load()
    return f"{part.name}@{part.version}"


def text(values: Mapping[Keys, Value], modules: Sequence[str] | None = None) -> str:
    """The resolved recipe as TOML; `modules` are the paths to write for `[local] modules`."""
    tables: dict[Keys, list[str]] = {(): []}
    dropped: list[str] = []
    for keys, value in values.items():
        table = tables.setdefault(keys[:-1], [])
        if value.kind == "table":
            tables.setdefault(keys, [])
        elif value.kind == "no part":
            dropped.append(join_key(keys))
        else:
            written = modules if keys == ("local", "modules") and modules is not None else value.value
            table.append(f"{join_key(keys[-1:])} = {toml(written)}  # {value.origin}")
    lines = [HEADER, "resolved = true", *([f"drop = {toml(dropped)}"] if dropped else [])]
    for keys, entries in tables.items():
        if keys and (entries or not any(other[: len(keys)] == keys != other for other in tables)):
            lines += ["", f"[{join_key(keys)}]", *entries]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML; None is the word that unsets an option.

    Raises:
        GentoolError: TOML has no such value.
    """
    if isinstance(value, RunRef):
        return f"{{ path = {quoted(value.path)}, weights = {quoted(value.weights)} }}"
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{join_key((str(k),))} = {toml(v)}" for k, v in value.items()) + " }" if value else "{}"
    raise GentoolError(f"{value!r} cannot be written into a recipe")


def run_id(values: Mapping[Keys, Value], local: Sequence[LocalFile] = ()) -> str:
    """Twelve hexadecimal digits that name what is learned: equal for recipes that differ in nothing that counts."""
    counting = {join_key(k): v.value for k, v in values.items() if v.counts and not (k in NEUTRAL and v.value == NEUTRAL[k])}
    form = [counting, sorted(file.sha256 for file in local)]
    return hashlib.sha256(json.dumps(form, sort_keys=True, default=toml).encode()).hexdigest()[:12]


def nested(values: Mapping[Keys, Value]) -> dict[str, Any]:
    """The values as the dictionary that their TOML text would parse to."""
    root: dict[str, Any] = {"resolved": True}
    for keys, value in values.items():
        table = root
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        if value.kind == "no part":
            root.setdefault("drop", []).append(join_key(keys))
        elif value.kind == "table":
            table.setdefault(keys[-1], {})
        elif isinstance(value.value, RunRef):
            table[keys[-1]] = {"path": value.value.path, "weights": value.value.weights}
        else:
            table[keys[-1]] = "none" if value.value is None else value.value
    return root
