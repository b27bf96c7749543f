"""Names: (slot, name, version) -> an import string or a class, per namespace."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from .component import Component
from .errors import GentoolError

_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]*\Z", re.IGNORECASE)


@frozen
class Entry:
    """One registered component."""

    slot: str
    name: str
    version: int
    target: str | type[Component]
    summary: str

    @property
    def pinned(self) -> str:
        """`name@version`, as resolved recipes write it."""
        return f"{self.name}@{self.version}"

    def load(self) -> type[Component]:
        """Import the class.

        Raises:
            GentoolError: the target cannot be imported, or is not a component of the slot.
        """
        if isinstance(self.target, str):
            module, _, attribute = self.target.partition(":")
            try:
                cls = getattr(importlib.import_module(module), attribute)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # also sys.exit() at import
                raise GentoolError(
                    f"{self.slot} '{self.name}' cannot be loaded from {self.target}: {type(error).__name__}: {error}"
                ) from error
        else:
            cls = self.target
        if not (isinstance(cls, type) and issubclass(cls, Component) and cls.slot == self.slot):
            raise GentoolError(f"{self.target} was registered as {self.slot} '{self.name}' but is not a component of that slot")
        cls.name, cls.version = self.name, self.version
        return cls


@define
class Registrar:
    """What one plugin's registration hook fills: it cannot name anything outside its namespace."""

    namespace: str = ""
    entries: dict[tuple[str, str, int], Entry] = field(factory=dict)
    renamed: dict[tuple[str, str], str] = field(factory=dict)
    recipe_package: str | None = None

    def add(self, slot: str, name: str, target: str | type[Component], summary: str, version: int = 1) -> None:
        """Register a component.

        Args:
            slot: where it may stand (`denoiser`, `schedule`, ...).
            name: without namespace.
            target: `"package.module:Class"`, imported when first used, or the class itself.
            summary: one line for `gentool components`.
            version: raise it when behaviour or a default changes, and keep the old one registered.

        Raises:
            GentoolError: the name is malformed or taken twice within this plugin.
        """
        if not _NAME.match(name):
            raise GentoolError(
                f"{name!r} is no component name: letters, digits and - _ . + only; the namespace is added by itself"
            )
        full = f"{self.namespace}/{name}" if self.namespace else name
        if (slot, full, version) in self.entries:
            raise GentoolError(f"{slot} '{full}@{version}' is registered twice by the same plugin")
        self.entries[slot, full, version] = Entry(slot, full, version, target, summary)

    def moved(self, slot: str, old: str, new: str) -> None:
        """Keep `old` working as another name of `new` (both without namespace)."""
        prefix = f"{self.namespace}/" if self.namespace else ""
        self.renamed[slot, prefix + old] = prefix + new

    def recipes(self, package: str) -> None:
        """Name the importable package whose TOML files `extends = "namespace/file"` finds."""
        self.recipe_package = package


def newest(entries: Mapping[tuple[str, str, int], Entry], slot: str, name: str) -> Entry | None:
    """The entry for `name` or `name@version`; without a version the highest one."""
    plain, at, pin = name.partition("@")
    found = [e for (s, n, v), e in entries.items() if s == slot and n == plain and (not at or str(v) == pin)]
    return max(found, key=lambda e: e.version, default=None)


def describe(value: Any) -> str:
    """A component the way a recipe names it."""
    return value.name if isinstance(value, Component) else repr(value)
