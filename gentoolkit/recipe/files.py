"""One recipe file, read: bytes -> text -> nodes with positions, and the words that are about files, not about models."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

from .nodes import BadValue, Leaf, Table, table_from
from .origins import Origin, Source, shown
from .positions import Position, TooDeep, scan
from .problems import Problem, RecipeError

LARGEST = 256 * 1024
"""Bytes; a recipe is written by hand."""

MOST_WORDS = 1000
"""Entries of `extends` and `drop`."""

_PLAINLY = (
    (r"Illegal character '\\n'", "a quote is opened and not closed"),
    (r"Cannot overwrite a value", "this key is set twice"),
    (r"Cannot declare .* twice", "this table is there twice; write its keys into one"),
    (r"Cannot redefine namespace", "this adds to a table that was written elsewhere; write it there"),
    (r"Expected '=' after a key", "a key, then '=', then a value"),
)
"""tomllib's words, and ours."""

_AT_LINE = re.compile(r"\(at line (\d+), column (\d+)\)\Z")


@frozen(eq=False)
class RecipeFile:
    """What one file says."""

    table: Table
    extends: tuple[Leaf, ...]
    drop: tuple[Leaf, ...]


def read_file(path: Path) -> RecipeFile:
    """Read and parse a recipe file.

    Raises:
        RecipeError: it cannot be read, is no TOML, or uses `extends`, `drop` or `resolved` wrongly.
    """
    name = shown(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecipeError([Problem(f"recipe {name} cannot be read: {reason}")]) from None
    if len(data) > LARGEST:
        raise RecipeError([Problem(f"recipe {name} is larger than {LARGEST // 1024} kB, which no recipe is")])
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError([Problem(f"{name}:{line} is not UTF-8 text")]) from None
    return parse(text, name, path.parent)


def parse(text: str, name: str, folder: Path) -> RecipeFile:
    """The nodes of a recipe's text.

    Raises:
        RecipeError: as `read_file`.
    """
    lines = tuple(text.split("\n"))
    source = Source(name, folder, lines, numbered=True)
    try:
        positions = scan(text)
        values = tomllib.loads(text)
    except TooDeep as error:
        raise RecipeError([_at(source, error.line, str(error))]) from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([_syntax_problem(source, str(error))]) from None
    except (ValueError, RecursionError) as error:  # numbers of absurd length
        raise RecipeError([Problem(f"{name} is not valid TOML: {error}")]) from None
    if values.get("resolved") is True:
        source = Source(name, folder, lines, numbered=True, resolved=True)
    try:
        table = table_from(values, lambda k: Origin(source, positions.get(k)), folder, bare=source.resolved)
    except BadValue as error:
        raise RecipeError([Problem(str(error), error.keys, Origin(source, positions.get(error.keys)))]) from None
    return split(table)


def split(table: Table) -> RecipeFile:
    """Part the words about files (`extends`, `drop`, `resolved`) from the recipe.

    Raises:
        RecipeError: one of them is used wrongly.
    """
    entries = dict(table.entries)
    extends = texts(entries.pop("extends", None), "extends", 'extends = "base.toml"', single=True)
    drop = texts(entries.pop("drop", None), "drop", 'drop = ["method.regularizers.r1"]')
    resolved = entries.pop("resolved", None)
    if resolved is not None and not (isinstance(resolved, Leaf) and isinstance(resolved.value, bool)):
        raise RecipeError([Problem("resolved is true or false", ("resolved",), resolved.origin)])
    if table.bare and extends:
        raise RecipeError(
            [Problem("a resolved recipe holds every value, so it extends nothing", ("extends",), extends[0].origin)]
        )
    return RecipeFile(Table(entries, origin=table.origin, bare=table.bare), extends, drop)


def texts(node: Any, word: str, example: str, single: bool = False) -> tuple[Leaf, ...]:
    """The texts of a list, each with its origin; none where there is no list.

    Raises:
        RecipeError: it is no list of texts.
    """
    if node is None:
        return ()
    value = node.value if isinstance(node, Leaf) else None
    if single and isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        kinds = "a text or a list of texts" if single else "a list of texts"
        raise RecipeError([Problem(f"{word} must be {kinds}", (word,), node.origin, hint=example)])
    if len(value) > MOST_WORDS:
        raise RecipeError([Problem(f"{word} has more than {MOST_WORDS} entries", (word,), node.origin)])
    return tuple(Leaf(v, node.origin, node.folder) for v in value)


def _syntax_problem(source: Source, message: str) -> Problem:
    found = _AT_LINE.search(message)
    said = message[: found.start()].strip() if found else message.replace("(at end of document)", "").strip()
    if found is None:
        last = max((n for n, line in enumerate(source.lines, 1) if line.strip()), default=1)
        return _at(source, last, f"{said}: the file ends in the middle of something")
    line, column = int(found[1]), int(found[2]) - 1
    said = next((plain for pattern, plain in _PLAINLY if re.match(pattern, said)), said)
    return _at(source, line, said, column if column < len(source.lines[line - 1]) else None)


def _at(source: Source, line: int, said: str, column: int | None = None) -> Problem:
    length = len(source.lines[line - 1]) if line <= len(source.lines) else 0
    start, end = (0, min(length, 60)) if column is None else (column, column + 1)
    return Problem(
        f"{source.shown} is not valid TOML", (), Origin(source, Position(line, start, end)), said, hint=_mend(source, line)
    )


def _mend(source: Source, line: int) -> str:
    text = source.lines[line - 1].strip() if line <= len(source.lines) else ""
    key, sign, value = (part.strip() for part in text.partition("="))
    if sign and re.fullmatch(r"True|False|None|[A-Za-z_][\w./-]*", value):
        good = value.lower() if value in ("True", "False") else f'"{value}"'
        return f"{key} = {good}" if value != "None" else f"leaving {key} out"
    return ""
