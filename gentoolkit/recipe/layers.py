"""Layers: what a recipe extends < the recipe < arguments, merged into one tree that remembers where each value is from.

The defaults below them all are the components' own; they join when the tree is structured.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gentoolkit.registry import GentoolError

from .files import RecipeFile, parse, read_file, split, texts
from .find import extended
from .nearest import nearest
from .nodes import Dropped, Leaf, Table, at, leaves, merge, place, table_from
from .origins import Origin, argument, words
from .positions import Keys, TooDeep, join_key, scan, split_key
from .problems import Problem, RecipeError

MOST_FILES = 64
"""Files that one recipe may extend, directly and indirectly; a list of lists could ask for 2^n."""


def from_file(path: Path) -> Table:
    """The tree of a recipe file and of all that it extends.

    Raises:
        RecipeError: a file is missing or no recipe, or files extend each other in a circle.
    """
    return _Reader().read(path, ())


def from_text(text: str, name: str, folder: Path) -> Table:
    """The tree of a recipe's text; as `from_file`."""
    return _Reader().lay(parse(text, name, folder), ())


def from_python(values: Mapping[str, Any], bare: bool = False) -> Table:
    """The tree of a recipe that was given as a dictionary, which may extend files too.

    Raises:
        RecipeError: as `from_file`.
    """
    origin = words("the recipe given in Python")
    try:
        return _Reader().lay(split(table_from(values, lambda _: origin, Path.cwd(), bare=bare)), ())
    except RecipeError:
        raise
    except GentoolError as error:
        raise RecipeError([Problem(str(error))]) from None


def without_place(table: Table) -> Table:
    """A recipe that another one extends, without its run's name and places: these are its own."""
    run = table.entries.get("run")
    if not isinstance(run, Table):
        return table
    kept = {key: node for key, node in run.entries.items() if key not in ("name", "folder", "checkpoints")}
    return Table({**table.entries, "run": Table(kept, origin=run.origin)}, origin=table.origin, bare=table.bare)


class _Reader:
    def __init__(self) -> None:
        self.files = 0

    def read(self, path: Path, above: tuple[Path, ...]) -> Table:
        self.files += 1
        if self.files > MOST_FILES:
            raise RecipeError([Problem(f"a recipe extends at most {MOST_FILES} files; this one goes on and on")])
        return self.lay(read_file(path), (*above, path))

    def lay(self, file: RecipeFile, above: tuple[Path, ...]) -> Table:
        lower = Table(origin=file.table.origin)
        for name in file.extends:
            try:
                path = extended(name.value, name.folder)
            except GentoolError as error:
                raise RecipeError([Problem(str(error), ("extends",), name.origin)]) from None
            if path in above:
                circle = " -> ".join(p.name for p in (*above[above.index(path) :], path))
                raise RecipeError([Problem("recipes extend each other in a circle", ("extends",), name.origin, circle)])
            lower = merge(lower, without_place(self.read(path, above)))
        if file.table.bare:  # a resolved recipe drops default parts, whether or not there still are such defaults
            return dropped(file.table, file.drop, sure=True)
        return merge(dropped(lower, file.drop), file.table)


def dropped(lower: Table, drops: Iterable[Leaf], sure: bool = False) -> Table:
    """`lower` without what is dropped; whether a default was there to be dropped comes out when it is structured.

    Raises:
        RecipeError: something that is no dotted key.
    """
    for drop in drops:
        keys = _key(drop.value)
        if not keys:
            raise RecipeError([Problem(f"cannot drop '{drop.value}': it is no dotted key", ("drop",), drop.origin)])
        there = at(lower, keys)
        found = sure or (there is not None and not (isinstance(there, Leaf) and isinstance(there.value, Dropped)))
        lower = place(lower, keys, Leaf(Dropped(found), drop.origin, drop.folder))
    return lower


def nothing_like(tree: Table, keys: Keys, otherwise: str) -> str:
    """What to say about a key that the tree does not have: the nearest one that it has."""
    known = (join_key(k[:n]) for k, _ in leaves(tree) for n in range(1, len(k) + 1))
    near = nearest(join_key(keys), known)
    return f"did you mean '{near[0]}'?" if near else otherwise


def with_arguments(tree: Table, arguments: Sequence[str], only: Sequence[str] = ()) -> Table:
    """`tree` under the layer of `key=value` arguments; of two with the same key the later one holds.

    Args:
        tree: the layers below.
        arguments: the arguments.
        only: the tables that they may change; all unless given.

    Raises:
        RecipeError: all arguments that cannot be read, or would change another table.
    """
    layer = Table(origin=words("the arguments"))
    drops: list[Leaf] = []
    problems: list[Problem] = []
    for text in arguments:
        origin = argument(text)
        try:
            keys, value = _argument(text)
            given = table_from({"value": value}, lambda _, o=origin: o, Path.cwd())  # type: ignore[misc]
            if keys in (("extends",), ("resolved",)):
                raise GentoolError(f"{keys[0]} is for files; it cannot be an argument")
            fixed: list[Problem] = []
            if keys == ("drop",):
                asked = texts(given.entries["value"], "drop", 'drop=["method.regularizers.r1"]', single=True)
                fixed = [found for drop in asked for found in beyond(tree, _key(drop.value), drop.origin, only)]
                drops += asked
            else:
                fixed = beyond(tree, keys, origin, only)
            if fixed:
                raise RecipeError(fixed)
            if keys != ("drop",):
                layer = merge(layer, place(Table(origin=origin), keys, given.entries["value"]), whole=False)
        except RecipeError as error:
            problems += error.problems
        except GentoolError as error:
            problems.append(Problem(str(error), (), origin))
    if problems:
        raise RecipeError(problems)
    return merge(dropped(tree, drops), layer)


def beyond(tree: Table, keys: Keys, origin: Origin, only: Sequence[str]) -> list[Problem]:
    """The problem with an argument that lies outside the tables that may be changed; none where it does not."""
    if not only or not keys or keys[0] in only:
        return []
    tables = " and ".join(f"[{name}]" for name in only)
    known = [join_key(k) for k, _ in leaves(tree) if k[0] in only]
    said = join_key(keys)
    near = [k for k in known if k.endswith(f".{said}")] or nearest(said, [*only, *known])
    sentence = f"{said} belongs to what was trained: with another it would be another model"
    if keys[0] not in tree.entries:
        sentence = f"{said} is nothing that can be changed of a trained model"
    return [Problem(sentence, keys, origin, f"did you mean '{near[0]}'?" if near else f"only {tables} can be changed")]


def _key(text: str) -> Keys:
    try:
        return split_key(text.strip()) or ()
    except TooDeep:
        return ()


def _argument(text: str) -> tuple[Keys, Any]:
    left, sign, right = text.partition("=")
    if not sign:
        raise GentoolError(f"argument '{text}' is no key=value")
    keys = _key(left)
    if not keys:
        raise GentoolError(f"'{left}' is no dotted key of a recipe, such as training.steps")
    return keys, value_of(right.strip(), text)


def value_of(text: str, whole: str) -> Any:
    """A TOML value; bare words are texts.

    Raises:
        GentoolError: it opens a bracket or a quote and is no TOML value.
    """
    try:
        scan(f"value = {text}")
        found = tomllib.loads(f"value = {text}")
        # inside a list neither a comment nor a second line can hide, so both ways agree on a value and on nothing else
        again = tomllib.loads(f"value = [{text}]")
        if repr(again) == repr({"value": [found["value"]]}) and not text.rstrip().endswith(","):
            return found["value"]
    except (ValueError, RecursionError) as error:
        if text[:1] in ("[", "{", '"', "'"):
            raise GentoolError(f"argument '{whole}': the value is not valid TOML ({error})") from None
    return text
