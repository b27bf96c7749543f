"""Options: the one place where a component says what can be set, what it means and what is legal."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform, get_type_hints

import attrs

if TYPE_CHECKING:
    from .component import Component

T = TypeVar("T")
REQUIRED: Any = attrs.NOTHING


@attrs.frozen
class Bounds:
    """What values an option accepts, beyond its type."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[Any, ...] | None = None

    def complaint(self, value: Any) -> str | None:
        """Why `value` is refused, as the second half of a sentence, or None if it is legal."""
        if isinstance(value, tuple | list):
            return next((c for v in value if (c := self.complaint(v))), None)
        if value is None or isinstance(value, bool | Mapping):
            return None
        if self.choices is not None and value not in self.choices:
            return "must be one of " + ", ".join(repr(c) for c in self.choices)
        if isinstance(value, float) and not math.isfinite(value):
            return "must be finite"
        if isinstance(value, int | float):
            for sign, bound, good in (
                (">=", self.ge, operator.ge),
                (">", self.gt, operator.gt),
                ("<=", self.le, operator.le),
                ("<", self.lt, operator.lt),
            ):
                if bound is not None and not good(value, bound):
                    return f"must be {sign} {bound:g}"
        return None


def opt(
    default: Any = REQUIRED,
    help: str = "",
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[Any, ...] | None = None,
    path: bool = False,
) -> Any:
    """An option of a component or a section of a recipe.

    `default` may be left out (the option must then be given). The default of a field whose type is a slot is
    written as in a recipe: a name, or a table with `use`; of a section, its class. Bounds apply to a number, or to each of
    a tuple's.
    `path` marks a path or URL: in a recipe file a relative one is relative to that file.
    """
    bounds = Bounds(ge, gt, le, lt, choices)

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        if complaint := bounds.complaint(value):
            raise ValueError(f"{attribute.name} = {value!r} {complaint}")

    made = default
    if isinstance(default, dict):
        made = attrs.Factory(lambda: dict(default))
    elif isinstance(default, type):
        made = attrs.Factory(default)
    about = {"help": help, "bounds": bounds, "path": path, "default": default}
    return attrs.field(default=made, validator=validate, metadata=about)


@attrs.frozen
class Option:
    """One option as `explain`, the schema and the error messages see it; `default` as it was written in `opt`."""

    name: str
    type: Any
    default: Any
    help: str
    bounds: Bounds
    path: bool = False
    """Whether it is a path or URL, relative to the file it is written in."""

    @property
    def required(self) -> bool:
        """Whether a recipe has to give it."""
        return self.default is REQUIRED


def options(cls: type) -> dict[str, Option]:
    """The options of a component or section class by name, in the order in which they were written."""
    hints = get_type_hints(cls)
    found = {}
    for a in attrs.fields(cls):
        m = a.metadata
        default = m.get("default", a.default)
        found[a.name] = Option(
            a.name, hints[a.name], default, m.get("help", ""), m.get("bounds", Bounds()), m.get("path", False)
        )
    return found


def frozen_options(cls: type[T], field_transformer: Callable[..., Any] | None = None) -> type[T]:
    """`cls` as a frozen, keyword-only attrs class whose every field was made by `opt`."""
    made = attrs.frozen(kw_only=True, field_transformer=field_transformer)(cls)
    for a in attrs.fields(cast(Any, made)):
        if a.name == "use":
            raise TypeError(f"{cls.__module__}.{cls.__name__}: `use` names the component in a recipe and cannot be an option")
        if "bounds" not in a.metadata or not a.metadata["help"]:
            raise TypeError(f'{cls.__module__}.{cls.__name__}.{a.name}: write it as opt(default, "what it means")')
    return made


@dataclass_transform(kw_only_default=True, frozen_default=True)
def section(cls: type[T]) -> type[T]:
    """A table of a recipe that is always there and has no `use` (process, training, ...)."""
    return frozen_options(cls, slots_from_tables)


def slots_from_tables(cls: type, fields: list[Any]) -> list[Any]:
    """Give fields whose type is a slot a converter, so that Python code may write `"vp"` or a table as recipes do."""
    from .component import Component, component_from

    hints = None
    made = []
    for f in fields:
        if f.converter is None:
            hints = hints or get_type_hints(cls)
            slot, many = slot_of(hints[f.name])
            if slot is not None and issubclass(slot, Component):
                f = f.evolve(converter=_many(component_from, slot) if many else _one(component_from, slot))
        made.append(f)
    return made


def _one(make: Callable[..., Any], slot: type) -> Callable[[Any], Any]:
    return lambda value: None if value is None else make(slot, value)


def _many(make: Callable[..., Any], slot: type) -> Callable[[Any], Any]:
    return lambda table: {name: make(slot, value) for name, value in table.items()}


def slot_of(hint: Any) -> tuple[type[Component] | None, bool]:
    """The component class in a type hint, and whether the hint is a table of several: `dict[str, Regularizer]`."""
    import types
    import typing

    from .component import Component

    if isinstance(hint, type) and issubclass(hint, Component):
        return hint, False
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        for arm in typing.get_args(hint):
            if arm is not type(None) and (found := slot_of(arm))[0]:
                return found
    if origin is dict:
        return slot_of(typing.get_args(hint)[1])[0], True
    return None, False
