"""What holds for every config class of every slot."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any, cast

import attrs

from gentoolkit.recipe.parts import part_from, table_of
from gentoolkit.registry import options

from .suite import Subject

PROBE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if "torch" in sys.modules:
        sys.exit("importing " + name + " imports torch; move what needs it into a module that build() imports")
"""


def it_can_be_loaded(subject: Subject) -> None:
    """Its class is importable and of the slot under which it was registered."""
    assert subject.cls is not None, subject.trouble
    assert subject.cls.slot == subject.entry.slot
    assert subject.cls.name == subject.entry.name
    assert subject.cls.version == subject.entry.version


def it_says_what_it_is(subject: Subject) -> None:
    """A summary for listings, and a docstring whose first line stands for itself."""
    assert subject.entry.summary.strip(), f"{subject.id} was registered without a summary"
    if subject.cls is not None:
        first = (subject.cls.__doc__ or "").strip().partition("\n")[0]
        assert first, f"{subject.id} has no docstring"


def every_option_has_help(subject: Subject) -> None:
    """`gentool explain` has a sentence for each option, and a default keeps the bounds that users are held to."""
    if subject.cls is None:
        return
    for name, option in options(subject.cls).items():
        assert option.help.strip(), f"{subject.id}: option '{name}' has no help"
        if not option.required and not isinstance(option.default, str | dict | type):
            complaint = option.bounds.complaint(option.default)
            assert complaint is None, f"{subject.id}: the default of '{name}' {complaint}"
        if option.bounds.choices is not None and isinstance(option.default, str):
            assert option.default in option.bounds.choices, f"{subject.id}: the default of '{name}' is none of its choices"


def a_recipe_can_name_it(subject: Subject) -> None:
    """Its options' defaults, with the snippet given for the test, make a config."""
    if subject.cls is None:
        return
    assert subject.config is not None, (
        f"{subject.id} cannot be made: {subject.trouble}\n"
        f'plugin_contract(..., options={{"{subject.entry.slot} {subject.entry.name}": {{...}}}}) gives what it needs'
    )
    assert type(subject.config) is subject.cls


def a_resolved_recipe_repeats_it(subject: Subject) -> None:
    """Written out in full, as TOML, and read back it is the same config, of the same types."""
    if subject.config is None:
        return
    again = part_from(type(subject.config), table_of(subject.config))
    assert again == subject.config
    for a in attrs.fields(cast(Any, type(subject.config))):
        assert type(getattr(again, a.name)) is type(getattr(subject.config, a.name)), a.name


CHECKS = (it_can_be_loaded, it_says_what_it_is, every_option_has_help, a_recipe_can_name_it, a_resolved_recipe_repeats_it)


def config_modules_import_no_torch(subjects: Iterable[Subject], package: str) -> None:
    """The plugin's module and all its config modules, imported in a fresh interpreter, leave torch alone."""
    modules = [package]
    for subject in subjects:
        target = subject.entry.target
        module = target.partition(":")[0] if isinstance(target, str) else target.__module__
        if subject.cls is not None and module not in modules and module != "__main__":
            modules.append(module)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", PROBE, *modules]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.strip()
