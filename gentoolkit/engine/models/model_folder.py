"""A model's folder as people get it, from `gentool export` or as a snapshot: written in full or not at all.

Its weights are in the format safetensors, which holds numbers and no code; `recipe/exported.py` says what else is there.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from torch import Tensor

from gentoolkit.recipe import Loaded
from gentoolkit.recipe.exported import CARD, FORMAT, MANIFEST, WEIGHTS
from gentoolkit.registry import GentoolError

from ..storage.folder import DATA, ORIGIN, versions
from ..storage.whole import digest


@frozen(kw_only=True)
class Model:
    """What is written."""

    loaded: Loaded
    tensors: Mapping[str, Tensor]
    """Of the step model."""
    parameters: int
    step: int
    weights: str
    """Which weights these are: `ema`, `raw`, or the name of another average."""
    label_counts: list[int] | None
    """How often each class occurs in the data, where the model is conditioned on it."""
    run: Path
    """The run's folder."""


def new_folder(out: str | Path) -> Path:
    """A folder that a model can be written into.

    Raises:
        GentoolError: it is there already, or its parent is not.
    """
    target = Path(out)
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise GentoolError(f"{target} is there already; a model is exported into a new folder")
    if not target.absolute().parent.is_dir():
        raise GentoolError(f"the folder {target.absolute().parent} does not exist")
    return target


def write_model(
    model: Model, target: Path, card: Callable[[Model], str], more: Callable[[Path], None] = lambda folder: None
) -> None:
    """Write the folder `target`, which is not there or empty; `more` adds files of its own.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    unfinished = target.absolute().with_name(f".{target.absolute().name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        tensors = {name: value.cpu().contiguous().clone() for name, value in model.tensors.items()}
        save_file(tensors, unfinished / WEIGHTS, metadata={"format": "pt"})
        # Where the run lay on this machine is nobody's business.
        private = {("run", "folder"), ("run", "checkpoints")}
        values = {keys: v for keys, v in model.loaded.values.items() if keys not in private}
        evolve(model.loaded, values=values).write(unfinished)
        if model.label_counts is not None:
            (unfinished / DATA).write_text(json.dumps({"label_counts": model.label_counts}))
        if (model.run / ORIGIN).is_file():
            shutil.copyfile(model.run / ORIGIN, unfinished / ORIGIN)
        (unfinished / CARD).write_text(card(model), encoding="utf-8")
        more(unfinished)
        (unfinished / MANIFEST).write_text(json.dumps(manifest(unfinished, model), indent=1))
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    except SafetensorError as error:  # which a full disk is, too
        raise OSError(errno.EIO, str(error)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def manifest(folder: Path, model: Model) -> dict[str, Any]:
    """What MANIFEST.json says of the files that lie in `folder`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        "format": FORMAT,
        "name": model.loaded.name,
        "step": model.step,
        "weights": model.weights,
        "run_id": model.loaded.run_id,
        "versions": versions(),
        "files": {p.relative_to(folder).as_posix(): {"size": p.stat().st_size, "sha256": digest(p)} for p in files},
    }
