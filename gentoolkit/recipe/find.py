"""Where a recipe is: a path, a run folder, a recipe that ships with gentoolkit, or one that a plugin ships."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from gentoolkit.registry import GentoolError, get_registry

from .nearest import nearest
from .origins import shown

_HERE = Path(__file__).resolve().parents[1]


def shipped_folder() -> Path | None:
    """The folder of the recipes that come with gentoolkit: package data of a wheel, `recipes/` of a checkout."""
    if (_HERE / "recipes").is_dir():
        return _HERE / "recipes"
    checkout = _HERE.parent / "recipes"
    return checkout if checkout.is_dir() and _HERE.parent.name not in ("site-packages", "dist-packages") else None


def shipped() -> dict[str, Path]:
    """Shipped recipes by name (`quickstart`, `digits/ddgan`), base layers left out."""
    folder = shipped_folder()
    return {} if folder is None else {n: p for n, p in _names(folder).items() if not n.startswith("base/")}


def find(source: str | os.PathLike[str]) -> Path:
    """The recipe file that `source` means: a file, a run folder, the name of a shipped recipe or `namespace/name`.

    Raises:
        GentoolError: there is none; the message holds the nearest names.
    """
    text = os.fspath(source)
    if not text:
        raise GentoolError("no recipe is named; write its name or the path of its file")
    path = Path(text).expanduser()
    if _is(path, "is_file"):
        return _absolute(path)
    if _is(path, "is_dir"):
        if _is(path / "recipe.toml", "is_file"):
            return _absolute(path / "recipe.toml")
        raise GentoolError(f"{text} is a folder without recipe.toml, so it is no run; a recipe is a file")
    return _named(text, shipped(), "no recipe", f"a file {text} is not there either")


def extended(name: str, folder: Path) -> Path:
    """The file that `extends = name` means in a recipe that lies in `folder`: `*.toml` is a path, all else a name.

    Raises:
        GentoolError: there is none; the message holds the nearest names.
    """
    if not name.endswith(".toml"):
        found = _names(home) if (home := shipped_folder()) else {}
        return _named(name, found, "no recipe", "a file's name ends in .toml")
    path = _absolute(folder / Path(name).expanduser())
    if not _is(path, "is_file"):
        beside = sorted(p.name for p in path.parent.glob("*.toml")) if _is(path.parent, "is_dir") else []
        raise GentoolError(f"{shown(path)} does not exist" + _meant(path.name, beside))
    return path


def _named(name: str, known: dict[str, Path], what: str, also: str) -> Path:
    plain = name.removesuffix(".toml")
    if plain in known and plain == name:
        return known[name]
    namespace, slash, rest = name.partition("/")
    plugin = get_registry().plugins.get(namespace) if slash and namespace else None
    if plugin is not None:
        plugin.load()
        if plugin.registrar is None:
            raise GentoolError(f"recipe '{name}' is not available: {plugin.refusal}")
        theirs = _plugin_recipes(namespace, plugin.registrar.recipe_package)
        if name in theirs:
            return theirs[name]
        raise GentoolError(f"plugin '{namespace}' has no recipe '{rest}'" + _meant(name, list(theirs)))
    raise GentoolError(f"{what} is called '{name}', and {also}" + _meant(plain, list(known)))


def _plugin_recipes(namespace: str, package: str | None) -> dict[str, Path]:
    if package is None:
        return {}
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError) as error:
        raise GentoolError(f"plugin '{namespace}' names its recipes '{package}', which cannot be found: {error}") from None
    found: dict[str, Path] = {}
    for place in (spec.submodule_search_locations if spec else None) or ():
        found |= {f"{namespace}/{n}": p for n, p in _names(Path(place)).items()}
    return found


def _names(folder: Path) -> dict[str, Path]:
    files = sorted(folder.rglob("*.toml"))
    return {p.relative_to(folder).with_suffix("").as_posix(): p for p in files}


def _meant(name: str, known: list[str]) -> str:
    near = nearest(name, known, 3)
    ends = [k for k in known if k.rpartition("/")[2] == name.rpartition("/")[2]]
    near = list(dict.fromkeys([*ends, *near]))[:3]
    if near:
        return "; did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return f"; there are {', '.join(sorted(known)[:8])}" if known else ""


def _is(path: Path, question: str) -> bool:
    try:
        return bool(getattr(path, question)())
    except (OSError, ValueError):
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path))
