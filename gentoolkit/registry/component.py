"""The contract that every component of every slot keeps.

A component is a frozen **config class** that imports without torch. `build` makes its working half, from a
neighbouring module that may import torch:

    @component
    class Cosine(LRSchedule):
        \"\"\"Cosine decay to `final`.\"\"\"
        final: float = opt(0.0, "learning rate at the last step", ge=0)

        def build(self, facts, parts):
            from .working import Decay
            return Decay(self, facts)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

import attrs

from .errors import GentoolError
from .facts import Facts
from .options import frozen_options, slots_from_tables

C = TypeVar("C", bound="Component")

Complaint = tuple[str, str] | tuple[str, str, str]
"""(option, sentence) or (option, sentence, what to try instead)."""


class Component:
    """Base of every slot's contract; a slot is a subclass that sets `slot`, a component a subclass of a slot."""

    slot: ClassVar[str] = ""
    name: ClassVar[str] = ""
    """Registered name, `namespace/name` for a plugin's; set when the registry hands the class out."""
    version: ClassVar[int] = 1
    offers: ClassVar[tuple[str, ...]] = ()
    """The shared facts that components of this slot give in `offer`."""

    def options(self) -> dict[str, Any]:
        """The values of this component's options by name."""
        return {a.name: getattr(self, a.name) for a in attrs.fields(cast(Any, type(self)))}

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The slot's own rules, the same for all its components; kept by the slot's base class."""
        return ()

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Complaints about how this component meets the facts; empty if it fits."""
        return ()

    def note(self, facts: Facts) -> Iterable[tuple[str, str]]:
        """Things worth saying that stop nothing: (option, sentence)."""
        return ()

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """Facts that later parts may rely on."""
        return {}

    def deep_report(self, facts: Facts, parts: Mapping[str, Any]) -> Iterable[str]:
        """Lines that `gentool check --deep` adds for this component; `parts` as in `build`, but networks hold no numbers."""
        return ()

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The working half. `parts` holds what was built before: `process`, `model`, and this component's own
        nested parts under the names of their options."""
        raise TypeError(f"{type(self).__name__} has no build(facts, parts)")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def component(cls: type[C]) -> type[C]:
    """Make a config class: frozen, keyword-only, every option made by `opt`, a docstring for `gentool explain`."""
    if not (cls.__doc__ or "").strip():
        raise TypeError(f"component {cls.__name__} needs a docstring: its first line is shown by `gentool components`")
    return frozen_options(cls, slots_from_tables)


def component_from(slot: type[C], value: Any) -> C:
    """The component that `value` means in a recipe: a component, a name, or a table with `use`."""
    from .plugins import get_registry

    if isinstance(value, slot):
        return value
    table = {"use": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("use"), str):
        raise GentoolError(f"a {slot.slot} is named by a string or by a table with `use`, not {value!r}")
    cls = get_registry().find(slot.slot, table["use"])
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k != "use"}  # as TOML has no tuples
    return cls(**values)  # type: ignore[return-value]
