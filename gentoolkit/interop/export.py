"""Giving a trained model away: `gentool export RUN OUT` writes a folder that `sample`, `evaluate` and `gentoolkit.load` take.

Its weights are in the format safetensors, which holds numbers and no code; `recipe/exported.py` says what else is there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from attrs import evolve

from gentoolkit.engine.checkpoints import digest
from gentoolkit.engine.folder import DATA, versions
from gentoolkit.engine.trained import TrainedRun, load
from gentoolkit.recipe.exported import CARD, FORMAT, MANIFEST, WEIGHTS
from gentoolkit.registry import GentoolError

from .card import card


def export(run: TrainedRun | str | Path, out: str | Path) -> Path:
    """Write a run's averaged weights, recipe, card and manifest into a new folder.

    Args:
        run: an opened run with averaged weights, or a run's folder.
        out: the folder, which must not be there yet, or be empty.

    Raises:
        GentoolError: the run cannot be loaded, or the folder not be written.
    """
    from safetensors.torch import save_file

    trained = run if isinstance(run, TrainedRun) else load(run, device="cpu")
    target = Path(out)
    if trained.exported is not None:
        raise GentoolError(f"{trained.folder} is an exported model already; copy the folder")
    if trained.weights != "ema":
        raise GentoolError("averaged weights are what is exported; load the run with weights = 'ema'")
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise GentoolError(f"{target} is there already; a model is exported into a new folder")
    if not target.absolute().parent.is_dir():
        raise GentoolError(f"the folder {target.absolute().parent} does not exist")
    counts = trained.label_counts
    unfinished = target.absolute().with_name(f".{target.absolute().name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        tensors = {name: value.cpu().contiguous().clone() for name, value in trained.model.state_dict().items()}
        save_file(tensors, unfinished / WEIGHTS, metadata={"format": "pt"})
        # Where the run lay on this machine is nobody's business.
        values = {keys: v for keys, v in trained.loaded.values.items() if keys != ("run", "folder")}
        evolve(trained.loaded, values=values).write(unfinished)
        if counts is not None:
            (unfinished / DATA).write_text(json.dumps({"label_counts": counts}))
        (unfinished / CARD).write_text(card(trained), encoding="utf-8")
        (unfinished / MANIFEST).write_text(json.dumps(manifest(unfinished, trained), indent=1))
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def manifest(folder: Path, trained: TrainedRun) -> dict[str, Any]:
    """What MANIFEST.json says of the files that lie in `folder`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        "format": FORMAT,
        "name": trained.name,
        "step": trained.step,
        "run_id": trained.loaded.run_id,
        "versions": versions(),
        "files": {p.relative_to(folder).as_posix(): {"size": p.stat().st_size, "sha256": digest(p)} for p in files},
    }
