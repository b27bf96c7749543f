"""The door: a recipe from wherever it is, checked, or everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import evolve, field, frozen

from gentoolkit.registry import Facts, GentoolError

from .check import Check, name_from
from .differences import Difference, compared
from .exported import Exported, exported_folder, verified
from .find import find
from .interpolation import interpolated
from .layers import from_file, from_python, with_arguments
from .local import LocalFile, copy_local, load_local
from .nodes import Table
from .positions import Keys
from .problems import Note, Problem, RecipeError
from .resolved import Value, nested, run_id, text, values_of
from .structure import Partial, structured
from .tree import Recipe

Source = str | os.PathLike[str] | Mapping[str, Any] | Recipe


@frozen(kw_only=True, eq=False)
class Loaded:
    """A recipe that has passed all checks short of building it."""

    recipe: Recipe
    """Its `run.name` is always set."""
    facts: Facts
    """What is known at the end of the walk."""
    notes: tuple[Note, ...]
    name: str
    """Of the run: `[run] name`, or the recipe file's."""
    resolved: str
    """The text of the resolved recipe."""
    run_id: str
    path: Path | None
    """The recipe's file, None where it came from Python."""
    home: Path | None
    """The run folder that the recipe was loaded from, unless it was given another name or folder on the way."""
    local: tuple[LocalFile, ...]
    exported: Exported | None
    """The exported model that it was loaded from, compared with its manifest."""
    values: dict[Keys, Value] = field(repr=False)
    nproc: int = 1
    """Processes that it was checked for."""
    deep: Any = None
    """The `DeepReport` of `gentoolkit.check(..., deep=True)`."""

    @property
    def origins(self) -> dict[str, str]:
        """Where each value was written, by dotted key: `recipes/a.toml:18`, `argument a=1`, `default`."""
        from .positions import join_key

        return {join_key(k): v.origin for k, v in self.values.items() if v.kind == "value"}

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write `recipe.toml` into a run folder, with copies of the local modules, which it then names.

        Raises:
            GentoolError: a local module has changed since it was loaded.
        """
        home = Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        names = copy_local(self.local, home)
        target = home / "recipe.toml"
        unfinished = home / ".recipe.toml.part"
        unfinished.write_text(text(self.values, names), encoding="utf-8")
        unfinished.replace(target)  # in full or not at all, also when the process is killed
        return target


def load(
    source: Source,
    overrides: Sequence[str] = (),
    nproc: int = 1,
    files: bool = False,
    trust_local: bool | None = None,
    only: Sequence[str] = (),
) -> Loaded:
    """Load and check a recipe.

    Args:
        source: a file, a run folder, the name of a shipped recipe, a dictionary, or a `Recipe`.
        overrides: `key=value` arguments, such as `model.denoiser.width=96`; values are TOML, bare words are texts.
        nproc: number of processes that the run will have, for the batch of each.
        files: whether missing data files are problems.
        trust_local: whether `[local] modules` may be run; unless given, they may if they are no part of an exported model.
        only: the tables that `overrides` may change; all unless given.

    Raises:
        RecipeError: everything that is wrong, at once.
        GentoolError: there is no such recipe, or an exported model is not as it was.
    """
    path = exported = None
    if isinstance(source, Recipe):
        tree = from_python(nested(values_of(source, from_python({}))), bare=True)
    elif isinstance(source, Mapping):
        tree = from_python(source)
    else:
        folder = exported_folder(source)
        exported = None if folder is None else verified(folder)
        path = find(source)
        tree = from_file(path)
    moved = any(words.strip().startswith(("run.name", "run.folder", "run=")) for words in overrides)
    home = path.parent if path is not None and tree.bare and not moved else None
    return evolve(_load(with_arguments(tree, overrides, only), path, home, nproc, files, trust_local), exported=exported)


def _load(tree: Table, path: Path | None, home: Path | None, nproc: int, files: bool, trust_local: bool | None) -> Loaded:
    if nproc < 1:
        raise GentoolError(f"a run has at least one process, not {nproc}")
    tree, problems = interpolated(tree)
    local = load_local(tree, trust_local, path)
    recipe, wrong = structured(tree)
    check = Check(tree, nproc)
    check.walk(recipe)
    if files:
        check.files(recipe)
    problems += [*wrong, *check.problems]
    if problems or isinstance(recipe, Partial):
        raise RecipeError(problems)
    name = recipe.run.name or name_from(path.stem if path else "")
    recipe = evolve(cast(Any, recipe), run=evolve(cast(Any, recipe.run), name=name))
    try:
        values = values_of(recipe, tree)
    except GentoolError as error:
        raise RecipeError([Problem(str(error))]) from None
    return Loaded(
        recipe=recipe,
        facts=check.facts,
        notes=tuple(check.notes),
        name=name,
        resolved=text(values),
        run_id=run_id(values, local),
        path=path,
        home=home,
        local=local,
        exported=None,
        values=values,
        nproc=nproc,
    )


def differences(old: Loaded, new: Loaded) -> tuple[Difference, ...]:
    """What differs between two recipes, their local files included; `change` tells what a resumed run must not have."""
    found = compared(old.values, new.values, new.recipe)
    hashes = [sorted(file.sha256 for file in one.local) for one in (old, new)]
    if hashes[0] != hashes[1]:
        found = (*found, Difference("local.modules", hashes[0], hashes[1], True))
    return found
