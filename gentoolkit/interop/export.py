"""Giving a trained model away: `gentool export RUN OUT` writes what `sample`, `evaluate` and `gentoolkit.load` take."""

from __future__ import annotations

from pathlib import Path

from gentoolkit.engine.models.card import card
from gentoolkit.engine.models.model_folder import Model, new_folder, write_model
from gentoolkit.engine.models.trained import TrainedRun, load
from gentoolkit.registry import GentoolError


def export(run: TrainedRun | str | Path, out: str | Path) -> Path:
    """Write a run's weights (averaged ones, unless it was opened with others), recipe, card and manifest into a new folder.

    Args:
        run: an opened run, or a run's folder.
        out: the folder, which must not be there yet, or be empty.

    Raises:
        GentoolError: the run cannot be loaded, or the folder not be written.
    """
    trained = run if isinstance(run, TrainedRun) else load(run, device="cpu")
    if trained.exported is not None:
        raise GentoolError(f"{trained.folder} is an exported model already; copy the folder")
    target = new_folder(out)
    model = Model(
        loaded=trained.loaded,
        tensors=trained.model.state_dict(),
        parameters=sum(p.numel() for p in trained.model.parameters()),
        step=trained.step,
        weights=trained.weights,
        label_counts=trained.label_counts,
        run=trained.folder,
    )
    try:
        write_model(model, target, card)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}") from error
    return target
