"""Slots, names, versions and plugins: what a recipe may say, known without importing torch."""

from .component import Complaint, Component, component, component_from
from .errors import GentoolError, NoSuchComponent
from .facts import Facts
from .hooks import hookimpl
from .options import REQUIRED, Bounds, Option, opt, options, section, slot_of
from .plugins import Plugin, Registry, discover, get_registry
from .references import RunRef
from .registrar import Entry, Registrar

__all__ = [
    "REQUIRED",
    "Bounds",
    "Complaint",
    "Component",
    "Entry",
    "Facts",
    "GentoolError",
    "NoSuchComponent",
    "Option",
    "Plugin",
    "Registrar",
    "Registry",
    "RunRef",
    "component",
    "component_from",
    "discover",
    "get_registry",
    "hookimpl",
    "opt",
    "options",
    "section",
    "slot_of",
]
