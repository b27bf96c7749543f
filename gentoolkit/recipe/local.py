"""`[local] modules`: the one way to run code that is not a package. Every component in such a file is `local/ClassName`.

The files are hashed, the hashes are part of the run's identity, and copies go into the run folder, which are what is
loaded from there on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from attrs import frozen

from gentoolkit.registry import Component, GentoolError, Registrar, get_registry, hookimpl

from .exported import foreign
from .nodes import Leaf, Node, Table, at
from .origins import Origin, anchored, shown
from .positions import Keys
from .problems import Problem, RecipeError

FOLDER = "local"
"""Where copies lie in a run folder."""


@frozen
class LocalFile:
    """One file of a recipe's own code."""

    path: Path
    sha256: str


class _Components:
    """Registers the components of local files; what a plugin's module is to a plugin."""

    def __init__(self, modules: Sequence[ModuleType]) -> None:
        self.modules = modules

    @hookimpl
    def gentoolkit_register(self, registry: Registrar) -> None:
        """All component classes that the files define."""
        for module in self.modules:
            for cls in _components(module):
                registry.add(cls.slot, cls.__name__, cls, (cls.__doc__ or "").strip().partition("\n")[0])


def load_local(tree: Table, trusted: bool | None = None, recipe: Path | None = None) -> tuple[LocalFile, ...]:
    """Load the files that `[local] modules` names and register their components under `local/`, in place of any others.

    Args:
        tree: the recipe.
        trusted: whether they may be run; unless given, they may if neither the recipe nor the layer that names them is part of
            an exported model.
        recipe: the recipe's file.

    Raises:
        RecipeError: a file is missing, cannot be imported, or two define the same component; or they are not `trusted`.
    """
    registry = get_registry()
    registry.plugins.pop("local", None)
    wanted = _wanted(tree)
    if trusted is None and wanted:
        named_in = at(tree, ("local", "modules"))
        places = [recipe, Path(named_in.folder) if isinstance(named_in, Leaf) and named_in.folder else None]
        trusted = not any(place is not None and foreign(place) for place in places)
    if wanted and not trusted:
        names = tuple(f"it would run {shown(path)}" for path, _ in wanted)
        sentence = "this recipe brings code of its own, which is not run unless you say so"
        read = "--trust-local (in Python trust_local=True), once you have read it"
        raise RecipeError([Problem(sentence, ("local", "modules"), wanted[0][1], notes=names, hint=read)])
    modules, files, problems = [], [], []
    for path, origin in wanted:
        try:
            data = path.read_bytes()
            files.append(LocalFile(path, hashlib.sha256(data).hexdigest()))
            modules.append(_module(path, data, files[-1].sha256))
        except (OSError, ValueError, GentoolError) as error:
            said = str(error) if isinstance(error, GentoolError) else f"{shown(path)} cannot be read"
            label = "" if isinstance(error, GentoolError) else getattr(error, "strerror", None) or str(error)
            problems.append(Problem(said, ("local", "modules"), origin, label))
    problems += [] if problems else _twice(modules, files, wanted[0][1] if wanted else None)
    if modules and not problems:
        registry.add_module("local", _Components(modules), ", ".join(shown(f.path) for f in files))
        plugin = registry.plugins["local"]
        plugin.load()
        if plugin.registrar is None:
            problems.append(Problem(f"local components: {plugin.reason}", ("local", "modules"), wanted[0][1]))
    if problems:
        raise RecipeError(problems)
    return tuple(files)


def copy_local(files: Sequence[LocalFile], folder: Path) -> tuple[str, ...]:
    """Copy the files into `folder/local` and return their new paths relative to `folder`, for a recipe that lies there.

    Raises:
        GentoolError: a file has changed since it was loaded.
    """
    names: list[str] = []
    for file in files:
        name = f"{FOLDER}/{file.path.name}"
        number = 1
        while name in names:
            number += 1
            name = f"{FOLDER}/{file.path.stem}_{number}{file.path.suffix}"
        if hashlib.sha256(file.path.read_bytes()).hexdigest() != file.sha256:
            raise GentoolError(f"{shown(file.path)} has changed since it was loaded; start again")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.resolve() != file.path.resolve():
            unfinished = target.with_name(f".{target.name}.part")
            shutil.copyfile(file.path, unfinished)
            unfinished.replace(target)
        names.append(name)
    return tuple(names)


def _wanted(tree: Table) -> list[tuple[Path, Origin]]:
    """The files, as far as `[local]` is well-formed; what is not is told when the tree is structured."""
    keys: Keys = ("local", "modules")
    node: Node | None = at(tree, keys)
    if not isinstance(node, Leaf) or not isinstance(node.value, list):
        return []
    paths = dict.fromkeys(Path(anchored(v, node.folder)) for v in node.value if isinstance(v, str) and v)
    return [(path, node.origin) for path in paths]


def _module(path: Path, data: bytes, sha256: str) -> ModuleType:
    """The file as a module, named by place and content: the same file is the same module, a changed one is another."""
    name = f"gentoolkit_local_{hashlib.sha256(str(path).encode() + sha256.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise GentoolError(f"{shown(path)} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(data, str(path), "exec"), vars(module))
    except (KeyboardInterrupt, GeneratorExit):
        del sys.modules[name]
        raise
    except BaseException as error:  # also sys.exit() in a script that was not meant to be imported
        del sys.modules[name]
        raise GentoolError(f"{_where(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _where(error: BaseException, path: Path) -> str:
    """The last line of the file that took part in its failure."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{shown(path)}:{error.lineno}"
    numbers = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{shown(path)}:{numbers[-1]}" if numbers else shown(path)


def _twice(modules: Sequence[ModuleType], files: Sequence[LocalFile], origin: Origin | None) -> list[Problem]:
    """What two of the files define."""
    found: list[Problem] = []
    homes: dict[tuple[str, str], str] = {}
    for module, file in zip(modules, files, strict=True):
        for cls in _components(module):
            here = shown(file.path)
            other = homes.setdefault((cls.slot, cls.__name__), here)
            if other != here:
                told = f"{other} and {here} both define {cls.slot} '{cls.__name__}'"
                found.append(Problem(told, ("local", "modules"), origin, hint="another name for one of them"))
    return found


def _components(module: ModuleType) -> list[Any]:
    """The component classes that a file defines, each once, whatever other names it has there."""
    return list(dict.fromkeys(cls for cls in vars(module).values() if _is_component(cls, module)))


def _is_component(cls: Any, module: ModuleType) -> bool:
    made = isinstance(cls, type) and issubclass(cls, Component) and attrs.has(cls)
    return made and bool(cls.slot) and cls.__module__ == module.__name__
