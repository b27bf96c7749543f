"""Finding plugins, each in isolation: one that is broken harms only the recipes that name it.

Installed is not active. Entry points are read without importing anything; a plugin's module is imported when its
namespace is first named, or when somebody lists components.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from attrs import define, field

from .component import Component
from .errors import GentoolError, NoSuchComponent
from .hooks import Registration
from .registrar import Entry, Registrar, newest

CORE = "gentoolkit.components.builtin"


@define
class Plugin:
    """One installed plugin and how it fares."""

    namespace: str
    module: str
    distribution: str
    status: str = "not loaded"
    """`not loaded`, `ok`, `broken`, `disabled` or `conflict`."""
    reason: str = ""
    registrar: Registrar | None = None
    loaded: Any = field(default=None, repr=False)

    @property
    def refusal(self) -> str:
        """Why nothing of it can be used: `plugin 'acme' is broken (ImportError: ...)`."""
        return f"plugin '{self.namespace}' is {'in ' if self.status == 'conflict' else ''}{self.status} ({self.reason})"

    def load(self) -> None:
        """Import the module and run its registration hook once; a failure ends as status `broken` with its reason."""
        if self.status != "not loaded":
            return
        registrar = Registrar(self.namespace)
        try:
            module = self.loaded or importlib.import_module(self.module)
            manager = pluggy.PluginManager("gentoolkit")
            manager.add_hookspecs(Registration)
            manager.register(module)
            if not manager.hook.gentoolkit_register.get_hookimpls():
                raise GentoolError("it has no function gentoolkit_register marked with @gentoolkit.hookimpl")
            manager.check_pending()
            manager.hook.gentoolkit_register(registry=registrar)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a plugin that calls sys.exit() on import is broken, nothing more
            self.status, self.reason = "broken", f"{type(error).__name__}: {error}"
            return
        self.status, self.registrar = "ok", registrar


@define
class Registry:
    """Every name that a recipe may use: the built-in components, then plugins by namespace."""

    plugins: dict[str, Plugin] = field(factory=dict)

    def find(self, slot: str, name: str) -> type[Component]:
        """The config class for `name` (`name`, `name@2`, `namespace/name`) in `slot`.

        Raises:
            NoSuchComponent: nobody provides it, or its plugin is broken, disabled or in conflict.
        """
        return self.entry(slot, name).load()

    def entry(self, slot: str, name: str) -> Entry:
        """The registration behind `name`; as `find`, without importing the class."""
        namespace = name.partition("/")[0] if "/" in name else ""
        plugin = self.plugins.get(namespace)
        if plugin is None:
            known = sorted(n for n in self.plugins if n)
            near = tuple(difflib.get_close_matches(namespace, known, 3))
            installed = f"installed: {', '.join(known)}" if known else "no plugin is installed"
            raise NoSuchComponent(f"no plugin provides the namespace '{namespace}' of {slot} '{name}' ({installed})", near)
        plugin.load()
        if plugin.registrar is None:
            raise NoSuchComponent(f"{slot} '{name}' is not available: {plugin.refusal}")
        table = plugin.registrar
        renamed = table.renamed.get((slot, name.partition("@")[0]), name)
        found = newest(table.entries, slot, renamed)
        if found is None:
            here = sorted({e.name for e in self.entries(slot, only=namespace)})
            near = tuple(difflib.get_close_matches(name.partition("@")[0], here, 3, 0.5))
            versions = sorted(v for s, n, v in table.entries if (s, n) == (slot, name.partition("@")[0]))
            if versions:
                raise NoSuchComponent(f"{slot} '{name}' does not exist; its versions are {', '.join(map(str, versions))}", near)
            elsewhere = sorted(s for s, n, _ in table.entries if n == name.partition("@")[0])
            other = f"; there is a {elsewhere[0]} of that name" if elsewhere else ""
            raise NoSuchComponent(f"no {slot} is called '{name}'{other}", near or tuple(here[:6]))
        return found

    def entries(self, slot: str | None = None, only: str | None = None) -> list[Entry]:
        """All registered components (of one slot, of one namespace), loading plugins as needed."""
        found = []
        for namespace, plugin in self.plugins.items():
            if only is None or namespace == only:
                plugin.load()
                if plugin.registrar is not None:
                    found += [e for e in plugin.registrar.entries.values() if slot in (None, e.slot)]
        return sorted(found, key=lambda e: (e.slot, "/" in e.name, e.name, e.version))

    def add_module(self, namespace: str, module: Any, origin: str) -> None:
        """Make a module's registrations available under a namespace, in place of what was there before."""
        self.plugins[namespace] = Plugin(namespace, getattr(module, "__name__", origin), origin, loaded=module)


_in_use: list[Registry] = []


def get_registry() -> Registry:
    """The registry of this process: built-in components and installed plugins, or the one that `use` put in place."""
    return _in_use[-1] if _in_use else _installed()


@contextmanager
def use(registry: Registry) -> Iterator[Registry]:
    """Within the block `get_registry()` is `registry`; for tests, and for tools that look at other environments."""
    _in_use.append(registry)
    try:
        yield registry
    finally:
        _in_use.pop()


@cache
def _installed() -> Registry:
    return discover(list(entry_points(group="gentoolkit")), os.environ.get("GENTOOL_PLUGINS"))


def discover(found: list[EntryPoint], allow: str | None) -> Registry:
    """A registry over the given entry points.

    Args:
        found: entry points of the group `gentoolkit`.
        allow: the variable GENTOOL_PLUGINS: None for all, `"acme,other"` for these alone, `"-acme"` for all but acme,
            `""` for none.
    """
    registry = Registry({"": Plugin("", CORE, "gentoolkit")})
    words = [w.strip() for w in (allow or "").split(",") if w.strip()]
    denied = {w[1:] for w in words if w.startswith("-")}
    allowed = {w for w in words if not w.startswith("-")}
    for point in sorted(found, key=lambda p: p.name):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
        plugin = Plugin(point.name, point.value, distribution)
        if point.name in ("", "local") or "/" in point.name:
            plugin.status, plugin.reason = "conflict", f"the namespace '{point.name}' is reserved"
        elif point.name in denied or (allow is not None and not denied and point.name not in allowed):
            plugin.status, plugin.reason = "disabled", f"GENTOOL_PLUGINS={allow}"
        if (other := registry.plugins.get(point.name)) is not None:
            if other.distribution == distribution and other.module == point.value:
                continue
            plugin.status = "conflict"
            plugin.reason = f"two distributions claim the namespace '{point.name}': {other.distribution} and {distribution}"
            plugin.distribution = f"{other.distribution} and {distribution}"
        registry.plugins[point.name] = plugin
    return registry
