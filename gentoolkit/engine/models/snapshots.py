"""Snapshots of a run for people: `snapshots/step-00012000/`, in the format of exported models, with a picture of samples.

A snapshot is taken before the checkpoint of the same step, so that a run which is killed in between goes on from before it
and none is missing; one that is there already is that of the same weights, and stays.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from gentoolkit.components.pictures import picture
from gentoolkit.recipe import Loaded
from gentoolkit.recipe.exported import MANIFEST
from gentoolkit.registry import GentoolError

from ..average import DEFAULT
from ..processes.world import World
from .card import card
from .model_folder import Model, write_model

FOLDER, PICTURE = "snapshots", "samples.png"


class Snapshots:
    """The snapshots of a run.

    Args:
        loaded: the recipe.
        run: the run's folder.
        world: this process; all take part, the first one writes.
        label_counts: how often each class occurs in the data, where the model is conditioned on it.
        warn: where it is said that one could not be written.
    """

    def __init__(
        self, loaded: Loaded, run: Path, world: World, label_counts: list[int] | None, warn: Callable[[str], None]
    ) -> None:
        self.loaded, self.run, self.world, self.warn = loaded, run, world, warn
        self.every, self.last = loaded.recipe.training.snapshot_every, loaded.recipe.training.steps
        self.label_counts = None if loaded.facts.classes is None else label_counts

    def wants(self, done: int) -> int:
        """The number of samples in the picture of a snapshot after `done` steps; 0 where none is due."""
        if self.every is None or (done % self.every and done != self.last):
            return 0
        return 64 if self.loaded.facts.kind == "image" else 2000

    def take(self, done: int, model: nn.Module, samples: Tensor | None) -> None:
        """Write the averaged step model after `done` steps; without a picture if there are no samples, as when a stop was
        asked for meanwhile. One that cannot be written is said, and the run goes on."""
        tensors = {name: value.detach() for name, value in model.state_dict().items()}
        if not self.world.first or self.kept(target := self.run / FOLDER / f"step-{done:08d}"):
            return
        given = Model(
            loaded=self.loaded,
            tensors=tensors,
            parameters=sum(p.numel() for p in model.parameters()),
            step=done,
            weights=DEFAULT,
            label_counts=self.label_counts,
            run=self.run,
        )

        def pictured(folder: Path) -> None:
            if samples is not None:
                picture(samples[: self.wants(done)], self.loaded.facts).save(folder / PICTURE, format="PNG")

        try:
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            write_model(given, target, card, pictured)
        except (OSError, GentoolError) as error:
            self.warn(f"the snapshot {target} cannot be written: {getattr(error, 'strerror', None) or error}; the run goes on")

    def kept(self, target: Path) -> bool:
        """Whether this recipe's snapshot is there already."""
        try:
            return bool(json.loads((target / MANIFEST).read_text())["run_id"] == self.loaded.run_id)
        except (OSError, ValueError, KeyError, TypeError):
            return False
