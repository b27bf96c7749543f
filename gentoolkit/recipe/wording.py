"""Types and values in words, for messages."""

from __future__ import annotations

import types
import typing
from typing import Any

from gentoolkit.registry import Component, RunRef

_LONGEST = 60
_ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "text", RunRef: "a path to a run"}
_MANY = {int: "whole numbers", float: "numbers", bool: "true or false each", str: "texts"}


def expected(hint: Any) -> str:
    """What an option of this type takes: `a list of whole numbers`."""
    if hint in _ONE:
        return _ONE[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(expected(arm) for arm in args if arm is not type(None))
    if origin is typing.Literal:
        return " or ".join(repr(a) for a in args)
    if origin in (tuple, list) and args:
        if origin is tuple and args[-1] is not Ellipsis:
            return f"a list of {len(args)}: " + ", ".join(expected(a) for a in args)
        return "a list of " + _MANY.get(args[0], f"items, each {expected(args[0])}")
    if origin is dict and args:
        return f"a table of names, each {expected(args[1])}"
    if isinstance(hint, type) and issubclass(hint, Component):
        return f"a {hint.slot or 'component'}"
    return getattr(hint, "__name__", str(hint))


def got(value: Any) -> str:
    """A value and its kind as a recipe has it: `text "false"`."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, str):
        return f"text {short(value)}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list, {short(value)}"
    return short(value)


def short(value: Any) -> str:
    """A value as TOML would have it, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = '"' + value[: _LONGEST + 1].replace("\\", "\\\\").replace('"', '\\"') + '"'
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(short(v) for v in value[:12]) + (", ...]" if len(value) > 12 else "]")
    elif isinstance(value, dict):
        text = "{ " + ", ".join(f"{k} = {short(v)}" for k, v in list(value.items())[:12]) + " }"
    else:
        text = repr(value)
    return text if len(text) <= _LONGEST + 2 else text[:_LONGEST] + "..."
