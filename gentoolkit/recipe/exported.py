"""A model made to be given away: averaged weights, recipe and card, every file listed with its sha256.

MANIFEST.json      {"format": 1, "step": ..., "weights": "ema", "files": {name: {"size": ..., "sha256": ...}}}
model.safetensors  the weights of the step model, averaged unless the manifest says "raw"
recipe.toml        resolved
data.json          how often each class occurs, where the model is conditioned on it
origin.json        of weights that come from what others released: their files and licence
README.md          the card
local/             code of the recipe's own, run only where it is trusted

Such a folder is data from somebody else: it is compared with its manifest before anything of it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from attrs import frozen

from gentoolkit.registry import GentoolError

MANIFEST = "MANIFEST.json"
"""What marks a folder as an exported model, which came from somebody else."""

WEIGHTS, CARD, RECIPE, DATA, CODE = "model.safetensors", "README.md", "recipe.toml", "data.json", "local"
FORMAT = 1
LARGEST_MANIFEST = 2**20
_PART = re.compile(r"[\w+ -][\w.+ -]*\Z")


@frozen
class Exported:
    """A folder whose files are those of its manifest."""

    folder: Path
    step: int
    sha256: str
    """Of the manifest, which names every file's."""
    weights: str = "ema"
    """Which weights of the run these are: `ema`, `raw`, or the name of another average."""


def is_exported(folder: Path) -> bool:
    """Whether the folder claims to be an exported model."""
    return (folder / MANIFEST).is_symlink() or (folder / MANIFEST).exists()


def exported_folder(source: str | os.PathLike[str]) -> Path | None:
    """The exported model that a folder, or a recipe in it, stands for; None where it is none."""
    path = Path(source).expanduser()
    try:
        place = path if path.is_dir() else path.parent
        return place if path.exists() and is_exported(place) else None
    except (OSError, ValueError):  # no name of a file; whoever looks for it says so
        return None


def foreign(place: Path) -> bool:
    """Whether a file or folder lies in an exported model."""
    here = place.resolve()
    return any(is_exported(folder) for folder in (here, *here.parents))


def verified(folder: Path) -> Exported:
    """An exported folder, every file of it compared with the manifest.

    Raises:
        GentoolError: something is missing, was changed, or is not listed.
    """
    try:
        manifest, data = _manifest(folder)
        files = manifest["files"]
        for name, expected in files.items():
            if problem := _difference(folder, name, expected):
                raise ValueError(problem)
        for name in (RECIPE, WEIGHTS):
            if name not in files:
                raise ValueError(f"{name} is not listed in {MANIFEST}")
        for path in (folder / DATA, *(p for p in (folder / CODE).rglob("*") if p.name != "__pycache__")):
            name = path.relative_to(folder).as_posix()
            if name not in files and (path.is_symlink() or path.is_file()):
                raise ValueError(f"{name} is not listed in {MANIFEST}")
    except (OSError, ValueError, RecursionError) as error:
        raise GentoolError(
            f"{folder} is not the model that was exported: {error}; nothing of it was used. Get it again from where it came"
        ) from error
    return Exported(folder, manifest["step"], hashlib.sha256(data).hexdigest(), manifest.get("weights", "ema"))


def _manifest(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_MANIFEST:
        raise ValueError(f"{MANIFEST} is no file of at most {LARGEST_MANIFEST} bytes")
    data = path.read_bytes()
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{MANIFEST} is not JSON ({error})") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ValueError(f"{MANIFEST} lists no files")
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{MANIFEST} has format {manifest.get('format')!r}, and this version reads {FORMAT}")
    if type(manifest.get("step")) is not int or manifest["step"] < 0:
        raise ValueError(f"{MANIFEST} says no step")
    if type(manifest.get("weights", "ema")) is not str:
        raise ValueError(f"{MANIFEST} gives no name of its weights")
    return manifest, data


def _difference(folder: Path, name: str, expected: Any) -> str:
    """What is wrong with a listed file, or nothing."""
    parts = name.split("/")
    if len(name) > 255 or not all(_PART.match(part) for part in parts):
        return f"{MANIFEST} lists {name!r}, which is no plain name of a file inside the folder"
    if not isinstance(expected, dict) or type(expected.get("size")) is not int or type(expected.get("sha256")) is not str:
        return f"{MANIFEST} gives no size and sha256 of {name}"
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            return f"{name} is a link"
    if not path.is_file():
        return f"{name} is missing"
    if path.stat().st_size != expected["size"] or _digest(path) != expected["sha256"]:
        return f"{name} was changed after it was exported"
    return ""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
