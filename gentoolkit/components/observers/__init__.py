"""Observers: they look at a run and never change it."""

from __future__ import annotations

from typing import ClassVar

from gentoolkit.registry import Component


class Observer(Component):
    """`build` returns an object whose methods are any of `registry.hooks.Watching`, marked with `hookimpl`."""

    slot: ClassVar[str] = "observer"
