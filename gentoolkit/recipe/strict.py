"""Strict values: what TOML gives, taken for what it is. cattrs alone would turn "false" into True and 1.9 into 1."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

from cattrs import Converter, IterableValidationError, IterableValidationNote

from gentoolkit.registry import RunRef

from .wording import expected, got, short


class Mistake(ValueError):
    """One thing that is wrong with a value; what `structure` turns into a `Problem`, once it knows where."""

    def __init__(self, sentence: str, label: str = "", hint: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence, self.label, self.hint, self.notes = sentence, label, hint, notes


class WrongType(Mistake):
    """A value of another type than its option's; the sentence is put together where the option is known."""

    def __init__(self, value: Any, hint: Any) -> None:
        super().__init__(f"must be {expected(hint)}", f"this is {got(value)}", _instead(value, hint))


def strict_converter() -> Converter:
    """A cattrs converter for plain TOML values that refuses what is not of the type asked for."""
    converter = Converter(detailed_validation=True)
    for exact in (int, bool, str):
        converter.register_structure_hook(exact, _exactly(exact))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(RunRef, _run_ref)
    converter.register_structure_hook_factory(_is_sequence, lambda hint: _sequence(hint, converter))
    converter.register_structure_hook_factory(_is_union, lambda hint: _union(hint, converter))
    converter.register_structure_hook_factory(_is_literal, _literal)
    converter.register_structure_hook_factory(_is_mapping, lambda hint: _mapping(hint, converter))
    return converter


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise WrongType(value, kind)
        return value

    return hook


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise WrongType(value, float)
    return float(value)


def _run_ref(value: Any, _: Any) -> RunRef:
    if isinstance(value, RunRef):
        return value
    if isinstance(value, str):
        return RunRef(value)
    table = dict(value) if isinstance(value, dict) else {}
    path = table.pop("use", table.pop("path", None))
    weights = table.pop("weights", "ema")
    if not isinstance(path, str):
        raise Mistake("must be a path to a run, or a table with `path` and `weights`", f"this is {got(value)}")
    if table:
        raise Mistake(f"has no '{min(table)}': a run is named by `path` and `weights`")
    if not isinstance(weights, str):
        raise Mistake("its weights must be 'ema', 'raw' or the name of an average", f"this is {got(weights)}")
    return RunRef(path, weights)


def _is_sequence(hint: Any) -> bool:
    return typing.get_origin(hint) in (tuple, list)


def _sequence(hint: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    made: Any = typing.get_origin(hint)
    args = typing.get_args(hint)
    fixed = made is tuple and args[-1] is not Ellipsis

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple) or (fixed and len(value) != len(args)):
            raise WrongType(value, hint)
        items, errors = [], []
        for n, item in enumerate(value):
            kind = args[n] if fixed else args[0]
            try:
                items.append(converter.structure(item, kind))
            except Exception as error:
                error.__notes__ = [*getattr(error, "__notes__", []), IterableValidationNote(f"item {n}", n, kind)]
                errors.append(error)
        if errors:
            raise IterableValidationError("items of another type", errors, hint)
        return made(items)

    return hook


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def _union(hint: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    arms = [a for a in typing.get_args(hint) if a is not type(None)]
    optional = len(arms) < len(typing.get_args(hint))

    def hook(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        if len(arms) == 1:
            return converter.structure(value, arms[0])
        for arm in sorted(arms, key=lambda a: type(value) is not a):  # 3 is a whole number before it is a number
            try:
                return converter.structure(value, arm)
            except Exception:  # the next arm may take it
                continue
        raise WrongType(value, hint)

    return hook


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Literal


def _literal(hint: Any) -> Callable[[Any, Any], Any]:
    words = typing.get_args(hint)

    def hook(value: Any, _: Any) -> Any:
        if not any(type(value) is type(w) and value == w for w in words):
            raise WrongType(value, hint)
        return value

    return hook


def _is_mapping(hint: Any) -> bool:
    return typing.get_origin(hint) is dict


def _mapping(hint: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    kind = typing.get_args(hint)[1]

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise WrongType(value, hint)
        return {key: converter.structure(item, kind) for key, item in value.items()}

    return hook


def _instead(value: Any, hint: Any) -> str:
    """The same value as its option would take it, where that is plain."""
    arms = [a for a in (typing.get_args(hint) if _is_union(hint) else (hint,)) if a is not type(None)]
    for arm in arms:
        if _is_sequence(arm) and not isinstance(value, list | tuple | dict):
            return f"[{short(value)}]" if type(value) is typing.get_args(arm)[0] else ""
        if arm is bool and isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "on", "off"):
            return "true" if value.lower() in ("true", "yes", "on") else "false"
        if arm is int and type(value) is float and value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        if arm in (int, float) and isinstance(value, str):
            try:
                return repr(arm(value)) if len(value) < 25 else ""
            except ValueError:
                continue
        if arm is str and type(value) in (int, float, bool):
            return f'"{short(value)}"'
    return ""
