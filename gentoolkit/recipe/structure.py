"""Structure: the merged tree -> a `Recipe` of component config classes, with every problem found on the way.

cattrs dispatches on the types of the options. A component's class is looked up in the registry when it is met; what the
recipe leaves out of it is taken from the default part (if that names the same component), then from the class.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from cattrs import AttributeValidationNote, ClassValidationError, IterableValidationNote

from gentoolkit.registry import REQUIRED, Component, GentoolError, Option, RunRef, options, slot_of

from .naming import a, component_called, names_in, unknown_option
from .nearest import nearest
from .nodes import UNKNOWN, Dropped, Leaf, Node, Table, closest, leaves, named, over, plain, table_from
from .origins import anchored, words
from .positions import Keys, join_key
from .problems import Problem
from .strict import Mistake, strict_converter
from .tree import Recipe
from .wording import expected, got

DEFAULT = words("default")


class Partial:
    """What could be structured of a section; asking for what could not raises `Missing`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise Missing(name)
        return self._values[name]


class Missing(Exception):
    """A part of the recipe that could not be structured."""


class Told(Exception):
    """A value whose problem has been told before."""


class Absent(Mistake):
    """Something that must be given and is not."""


class Incomplete(ClassValidationError):
    """cattrs' group of what is wrong with a table, with what was right."""

    partial: Mapping[str, Any] = {}


def structured(tree: Table) -> tuple[Recipe | Partial, list[Problem]]:
    """The recipe, or what of it is sound and the problems."""
    try:
        recipe: Recipe = Structuring().options(Recipe, tree, "a recipe")
    except Incomplete as error:
        return Partial(error.partial), [_problem(tree, keys, m) for keys, m in mistakes(error)]
    return recipe, []


def mistakes(error: BaseException, keys: Keys = ()) -> Iterator[tuple[Keys, Mistake]]:
    """The mistakes in a tree of cattrs' exceptions, each with its dotted key."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            keys = (*keys, note.name)
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from mistakes(inner, keys)
    elif isinstance(error, Mistake):
        yield keys, error
    elif not isinstance(error, Told):
        yield keys, Mistake(f"{type(error).__name__}: {error}")


def _problem(tree: Table, keys: Keys, m: Mistake) -> Problem:
    origin, _ = closest(tree, keys)
    table = keys[:-1] if keys[-1:] == ("use",) else keys
    hint = m.hint.replace("{path}", join_key(table)) if m.hint.startswith("[{path}") else m.hint
    return Problem(m.sentence, keys, origin, m.label, m.notes, hint)


_OPTIONS: dict[type, Mapping[str, Option]] = {}


def options_of(cls: type) -> Mapping[str, Option]:
    """`registry.options`, once per class: type hints are slow to evaluate."""
    if cls not in _OPTIONS:
        _OPTIONS[cls] = options(cls)
    return _OPTIONS[cls]


def is_section(hint: Any) -> bool:
    """Whether a type is a table with fixed options and no `use`."""
    return isinstance(hint, type) and attrs.has(hint) and not issubclass(hint, Component) and hint is not RunRef


def section_of(hint: Any) -> tuple[type | None, bool]:
    """The section class in a type hint, and whether the hint is a table of several: `dict[str, Forgetting]`."""
    if is_section(hint):
        return hint, False
    args = typing.get_args(hint)
    if typing.get_origin(hint) is dict:
        return (args[1], True) if is_section(args[1]) else (None, False)
    if type(None) in args:
        return next((arm for arm in args if is_section(arm)), None), False
    return None, False


def optional(hint: Any) -> bool:
    """Whether a type admits None."""
    return type(None) in typing.get_args(hint)


class Structuring:
    """One pass over a tree, with the converter whose hooks know components."""

    def __init__(self) -> None:
        self.converter = strict_converter()
        self.converter.register_structure_hook_factory(
            lambda hint: isinstance(hint, type) and issubclass(hint, Component),
            lambda slot: lambda node, _: self.part(node, slot),
        )

    def options(self, cls: Any, table: Table, owner: str) -> Any:
        """An instance of a section or component class from its table."""
        known = options_of(cls)
        right: dict[str, Any] = {}
        errors: list[Exception] = []
        misspelt = set()
        for key, node in table.entries.items():
            if key not in known and not (key == "use" and issubclass(cls, Component)):
                meant = nearest(key, known)
                misspelt.update(meant)
                errors.append(_noted(unknown_option(key, node, known, owner, meant), key))
        for name, option in known.items():
            try:
                right[name] = self.option(option, table.entries.get(name), owner)
            except Exception as error:  # whatever is wrong with one option, the others are looked at too
                errors.append(_noted(Told() if isinstance(error, Absent) and name in misspelt else error, name))
                if isinstance(error, Incomplete) and section_of(option.type)[0] is not None:
                    right[name] = Partial(error.partial)
        if not errors:
            try:
                return cls(**right)
            except Exception as error:  # a component's own validation
                kind = "" if isinstance(error, ValueError | GentoolError) else f"{type(error).__name__}: "
                errors.append(Mistake(f"{owner} does not take these options: {kind}{error}"))
        group = Incomplete(f"while structuring {owner}", errors, cls)
        group.partial = right
        raise group

    def option(self, option: Option, node: Node | None, owner: str) -> Any:
        """The value of one option from what the recipe has for it, if anything, and its default."""
        slot, many = slot_of(option.type)
        section, several = section_of(option.type)
        many = (many and slot is not None) or several
        if isinstance(node, Leaf) and node.value is UNKNOWN:
            raise Told
        if slot is not None:
            node = _over_default(option.default, node)
        if isinstance(node, Leaf) and isinstance(node.value, Dropped):
            part = slot is not None or (section is not None and optional(option.type))
            return self.without(option, node.value, owner, part, many)
        if many:
            return self.parts(option, node, owner)
        if slot is not None:
            if node is not None:
                return self.converter.structure(node, slot)
            return _absent(option, owner)
        if section is not None:
            if node is None and option.default is REQUIRED:
                raise Absent(f"{owner} needs a table [{option.name}]", f"[{option.name}]: {option.help}")
            unset = node.value if isinstance(node, Leaf) else node.use if node is not None else "none"
            if optional(option.type) and unset == "none":
                return None
            return self.section(section, node or Table(origin=DEFAULT), option.name)
        if node is None:
            return self.value(option, _absent(option, owner), owner)
        if isinstance(node, Table):
            node = node.alone or node
            if any(leaf.value is UNKNOWN for _, leaf in leaves(node)):
                raise Told
        return self.value(option, _with_paths(option, node), owner)

    def without(self, option: Option, dropped: Dropped, owner: str, part: bool, many: bool) -> Any:
        """The value of an option that a file dropped."""
        if not dropped.found:
            raise Mistake(f"there is nothing to drop: no lower layer sets '{option.name}' of {owner}")
        if many:
            return {}
        if part and optional(option.type):
            return None
        if part and isinstance(option.default, str | dict):
            return self.option(option, None, owner)
        return self.value(option, _absent(option, owner), owner)

    def section(self, section: type, node: Node, name: str) -> Any:
        """One section from its table."""
        if isinstance(node, Leaf) or isinstance(node.entries.get("use"), Leaf):
            raise _only_named(node, f"[{name}] is a table of options, without `use`")
        return self.options(section, node, f"[{name}]")

    def parts(self, option: Option, node: Node | None, owner: str) -> dict[str, Any]:
        """Several components of a kind, or several sections, by name."""
        slot, _ = slot_of(option.type)
        section, _ = section_of(option.type)
        kind = slot.slot if slot is not None and issubclass(slot, Component) else "table"
        if node is None and slot is not None:
            raise Mistake(f"a table of {kind}s by name is missing", option.help)
        if isinstance(node, Leaf) or (node is not None and isinstance(node.entries.get("use"), Leaf)):
            sentence = f"'{option.name}' holds named tables" + (f", one per {kind}" if slot is not None else "")
            raise _only_named(
                node, sentence, f"[{{path}}.my_{kind}] with " + ("`use`" if slot is not None else "options") + " below it"
            )
        made: dict[str, Any] = {}
        errors: list[Exception] = []
        entries = {} if node is None else node.entries
        above = f"{owner[1:-1]}." if owner.startswith("[") else ""
        for name, below in entries.items():
            try:
                if not isinstance(below, Leaf) or not isinstance(below.value, Dropped):
                    if section is not None:
                        made[name] = self.section(section, below, f"{above}{option.name}.{name}")
                    elif slot is not None:
                        made[name] = self.converter.structure(below, slot)
                elif not below.value.found:
                    near = nearest(name, entries)
                    label = f"did you mean '{near[0]}'?" if near else ""
                    raise Mistake(f"there is nothing to drop: no lower layer has a {kind} '{name}'", label)
            except Exception as error:  # the other parts are looked at too
                errors.append(_noted(error, name))
        if errors:
            raise Incomplete(f"while structuring {option.name}", errors, slot or dict)
        return made

    def part(self, node: Node, slot: type[Component]) -> Component:
        """One component from its name or table."""
        if isinstance(node, Leaf):
            if node.value is UNKNOWN:
                raise Told
            if not isinstance(node.value, str):
                label = f"this is {got(node.value)}"
                raise Mistake(f"{a(slot.slot)} is named by text, or by a table with `use`", label, _tables_hint(node.value))
            node = named(node)
        use = node.use
        if use is UNKNOWN:
            raise Told
        if use is None and "use" not in node.entries:
            known = names_in(slot)
            hint = "use = " + " or ".join(f'"{n}"' for n in known[:4]) if known else ""
            raise Mistake(f"no {slot.slot} is named here", "`use` is missing", hint)
        try:
            if not isinstance(use, str):
                raise Mistake(f"`use` must be the name of {a(slot.slot)}", f"this is {got(use)}")
            cls = component_called(use, slot)
        except Mistake as error:
            raise Incomplete("no component", [_noted(error, "use")], slot) from None
        made: Component = self.options(cls, node, f"{slot.slot} '{cls.name}'")
        return made

    def value(self, option: Option, value: Any, owner: str) -> Any:
        """A plain value, strictly of its option's type and within its bounds."""
        what = f"option '{option.name}' of {owner}"
        arms = typing.get_args(option.type) or (option.type,)
        if value == "none" and optional(option.type) and (str not in arms or option.default is not None or option.path):
            value = None
        try:
            made = self.converter.structure(value, option.type)
        except Exception as error:
            raise _wrong(error, what, option) from None
        if complaint := option.bounds.complaint(made):
            choices = [str(c) for c in option.bounds.choices or ()]
            near = nearest(made, choices) if isinstance(made, str) else []
            raise Mistake(f"{what} {complaint}", f"this is {got(made)}", f'{option.name} = "{near[0]}"' if near else "")
        return made


def _only_named(node: Node, sentence: str, hint: str = "") -> Exception:
    """The mistake of a name where there can be none: told of the name, whatever lower layers have in the table."""
    if isinstance(node, Leaf):
        return Mistake(sentence, f"this is {got(plain(node))}", hint)
    return Incomplete("no table", [_noted(Mistake(sentence, f"this is {got(node.use)}", hint), "use")], dict)


def _over_default(default: Any, node: Node | None) -> Node | None:
    if not isinstance(default, str | dict):
        return node
    given = {"default": default}
    below = table_from(given, lambda _: DEFAULT, Path.cwd()).entries["default"]
    return below if node is None else node if node.bare else over(below, node)


def _absent(option: Option, owner: str) -> Any:
    if option.default is not REQUIRED:
        return option.default
    slot, _ = slot_of(option.type)
    if slot is not None and issubclass(slot, Component):
        known = names_in(slot)[:4]
        hint = f"{option.name} = " + " or ".join(f'"{n}"' for n in known) if known and owner != "a recipe" else ""
        needed = f"a table [{option.name}]" if owner == "a recipe" else a(slot.slot)
        raise Absent(f"{owner} needs {needed}", f"{option.name}: {option.help}", hint)
    raise Absent(f"{owner} needs the option '{option.name}'", f"{option.name}, {expected(option.type)}: {option.help}")


def _with_paths(option: Option, node: Node) -> Any:
    """The plain value, its paths made absolute."""
    is_run = option.type is RunRef or RunRef in typing.get_args(option.type)
    if not option.path and not is_run:
        return plain(node)
    if isinstance(node, Table):
        return {key: _path(below) if key in ("use", "path") else plain(below) for key, below in node.entries.items()}
    if isinstance(node.value, list):
        return [anchored(v, node.folder) if isinstance(v, str) else v for v in node.value]
    return node.value if node.value == "none" and optional(option.type) else _path(node)


def _path(node: Node) -> Any:
    return anchored(node.value, node.folder) if isinstance(node, Leaf) and isinstance(node.value, str) else plain(node)


def _wrong(error: Exception, what: str, option: Option) -> Mistake:
    """The one mistake to tell of a value that is not of its type: the first item's, in a list."""
    item = ""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, IterableValidationNote):
                item = f"item {int(note.index) + 1}: "
    if not isinstance(error, Mistake):
        return Mistake(f"{what}: {error}")
    sentence = f"must be {expected(option.type)}" if item else error.sentence
    hint = f"{option.name} = {error.hint}" if error.hint and not item else ""
    return Mistake(f"{what} {sentence}", item + error.label, hint, error.notes)


def _noted(error: Exception, name: str) -> Exception:
    error.__notes__ = [*getattr(error, "__notes__", []), AttributeValidationNote(f"at {name}", name, Any)]
    return error


def _tables_hint(value: Any) -> str:
    return "a named table in place of [[...]]" if isinstance(value, list) and any(isinstance(v, dict) for v in value) else ""
