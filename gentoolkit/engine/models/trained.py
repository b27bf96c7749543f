"""A trained run, from its folder: the model behind its newest checkpoint, ready to sample; or an exported model.

run = gentoolkit.load("runs/quickstart")
x = run.sample(64, seed=0)          # [64, 1, 8, 8]
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from gentoolkit import recipe as recipes
from gentoolkit.components.model import StepModel
from gentoolkit.recipe.exported import WEIGHTS, foreign, is_exported
from gentoolkit.recipe.tree import Ema
from gentoolkit.registry import GentoolError, RunRef

from ..assemble import build, build_model, without_memory
from ..average import forgetting, saved_as
from ..learned import copy_into, fits
from ..loop import DTYPES
from ..processes.world import World, choose_device
from ..samples.sampling import Walk, draw_chunks, evaluations_of, whole_number
from ..storage import checkpoints, folder

CHANGEABLE = ("sampler", "metrics")
"""The tables of a recipe that a trained model can be used with in another form."""


class TrainedRun:
    """A run's recipe and its model with the weights of the newest checkpoint that verifies.

    Args:
        path: the run folder.
        weights: `ema` (what samples are drawn from by default), `raw`, or the name of another average of the recipe. Of an
            exported model, which holds one kind, `ema` is whatever it holds.
        device: `auto`, `cpu` or `cuda`.
        trust_local: whether code that the recipe brings may be run; unless given, it may in a run folder and not in an exported
            model.
        overrides: `sampler.steps=2` and the like: what is sampled and measured with, `[sampler]` and `[metrics]`. All else
            belongs to what was trained.

    Raises:
        GentoolError: there is no run, no committed checkpoint, or the two do not fit; an exported model is not as it was; an
            override does not fit, or would change what was trained.
    """

    def __init__(
        self,
        path: str | Path,
        weights: str = "ema",
        device: str = "auto",
        trust_local: bool | None = None,
        overrides: Sequence[str] = (),
    ) -> None:
        self.folder = run_folder(path)
        self.trust_local, self.overrides = trust_local, tuple(overrides)
        self.loaded = recipes.load(self.folder, overrides, trust_local=trust_local, only=CHANGEABLE)
        self.exported = self.loaded.exported
        if self.exported is not None and weights not in ("ema", self.exported.weights):
            raise GentoolError(
                f"{path} is an exported model, which holds the weights '{self.exported.weights}' alone; leave weights out"
            )
        self.recipe, self.facts, self.name = self.loaded.recipe, self.loaded.facts, self.loaded.name
        if self.exported is not None and self.loaded.home is None:
            raise GentoolError(f"{self.folder / folder.RECIPE} is no resolved recipe, as that of an exported model is")
        self.weights = weights if self.exported is None else self.exported.weights
        self.warnings: list[str] = []
        self.checkpoint: checkpoints.Checkpoint | None = None
        prefix, table = self._saved(path)
        self.device = choose_device(device)
        if self.exported is not None:
            # A recipe from elsewhere may name a network of any size: it gets memory only if it is that of the weights.
            sizes = build_model(self.recipe, self.facts, load_reference, without_memory)[1].state_dict()
            fits(sizes, table)
        with torch.random.fork_rng(devices=[]):  # a caller's random numbers are left alone
            self.parts, self.model = build_model(self.recipe, self.facts, load_reference)
        self.model.to(self.device, DTYPES[self.recipe.training.precision])
        copy_into(self.model.state_dict(), table, prefix)
        self.model.eval().requires_grad_(False)

    def varied(self, overrides: Sequence[str]) -> TrainedRun:
        """The same model with other `[sampler]` and `[metrics]` values, on top of those that it was loaded with; nothing is
        loaded again.

        Raises:
            RecipeError: they do not fit, or would change what was trained.
        """
        other = copy.copy(self)
        for found in ("sampler", "evaluations"):
            other.__dict__.pop(found, None)
        other.overrides = (*self.overrides, *overrides)
        other.loaded = recipes.load(self.folder, other.overrides, trust_local=self.trust_local, only=CHANGEABLE)
        other.recipe, other.facts = other.loaded.recipe, other.loaded.facts
        return other

    def _saved(self, path: str | Path) -> tuple[str, dict[str, Tensor]]:
        """(prefix of the model's tensors, tensors) of the newest checkpoint or the exported model; sets `step`, and `identity`,
        which differs where the weights do."""
        if self.exported is not None:
            self.step, self.identity = self.exported.step, self.exported.sha256
            return "", tensors_of(self.exported.folder / WEIGHTS)
        prefix = place_of(self.weights, self.recipe.ema) + "/denoiser/"
        found, refused = checkpoints.newest(folder.store_of(self.recipe, self.folder))
        self.warnings = list(refused.values())
        if found is None:
            why = "; ".join(self.warnings) or "none was committed yet"
            raise GentoolError(f"{path} has no checkpoint to load: {why}")
        commit, table = checkpoints.load(found, World(0, 1, torch.device("cpu")), only=prefix)
        if not table:
            raise GentoolError(
                f"{found} holds no weights '{self.weights}': this average is newer than the checkpoint; "
                "train on, or take others"
            )
        self.checkpoint = found
        self.step, self.identity = int(commit["step"]), found.commit().decode()
        return prefix, table

    @cached_property
    def sampler(self) -> Any:
        """The built sampler of the recipe."""
        return build(self.recipe.sampler, self.facts, self.parts, load_reference)

    @cached_property
    def evaluations(self) -> int:
        """Network evaluations that a sample takes."""
        return evaluations_of(self.model, self.sampler, self.facts)

    @property
    def batch(self) -> int:
        """Samples per chunk."""
        size: int = self.recipe.sampler.batch
        return size

    @cached_property
    def label_counts(self) -> list[int] | None:
        """How often each class occurs in the data, where the model is conditioned on it."""
        classes = self.facts.classes
        return None if classes is None else folder.label_counts(self.folder, classes)

    def sample(self, n: int, seed: int = 0, y: Sequence[int] | int | None = None, walk: Walk | None = None) -> Tensor:
        """Draw samples.

        Args:
            n: how many.
            seed: sample i depends on (seed, i) alone.
            y: classes, one for all or one each; drawn with the data's frequencies unless given.
            walk: makes the states from noise to data, in place of the sampler alone; editing has its own.

        Returns:
            `[n, *shape]` on the CPU, images in [-1, 1].

        Raises:
            GentoolError: a number is none, or classes are asked of an unconditional model or do not fit.
        """
        n = whole_number(n, "the number of samples", 1)
        labels = self.labels(n, y)
        counts = None if labels is not None else self.label_counts
        chunks = draw_chunks(self.model, self.sampler, self.facts, n, seed, self.batch, labels, counts, walk=walk)
        return torch.cat([x for _, x in chunks])

    def labels(self, n: int, y: Sequence[int] | int | None) -> Tensor | None:
        """Asked-for classes as `[n]`, checked."""
        if y is None:
            return None
        classes = self.facts.classes
        if classes is None:
            raise GentoolError('this model knows no classes; train it with model.condition = "class"')
        try:
            one: Any = y
            asked = [operator.index(k) for k in one] if numpy.ndim(one) else [operator.index(one)] * n
        except (TypeError, ValueError):
            asked = []
        if len(asked) != n or min(asked) < 0 or max(asked) >= classes:
            raise GentoolError(f"y must be a class from 0 to {classes - 1}, or {n} of them")
        return torch.tensor(asked, dtype=torch.int64)


def place_of(weights: str, ema: Ema) -> str:
    """Where a kind of weights lies in a checkpoint: `ema`, `net` for `raw`, `ema.NAME`.

    Raises:
        GentoolError: the recipe has no such average.
    """
    known = [*forgetting(ema), "raw"]
    if weights not in known:
        raise GentoolError(
            f"weights are {' or '.join(map(repr, known))}, not {weights!r}; more are declared as [ema.more.NAME]"
        )
    return "net" if weights == "raw" else saved_as(weights)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """What a safetensors file holds.

    Raises:
        GentoolError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise GentoolError(f"{path} cannot be read: {error}") from error
    return found


def run_folder(path: str | Path) -> Path:
    """`path`, if a run lies there.

    Raises:
        GentoolError: it has no recipe.
    """
    found = Path(path)
    if not is_exported(found) and not (found / folder.RECIPE).is_file():
        near = Path("runs") / found.stem
        hint = f"; did you mean {near}?" if (near / folder.RECIPE).is_file() else ""
        raise GentoolError(f"{path} is no run folder: it has no {folder.RECIPE}{hint}")
    return found


def refuse_foreign(place: Path) -> None:
    """Stop at a run folder that came inside an exported model.

    Raises:
        GentoolError: it is one.
    """
    if foreign(place) and not is_exported(place):
        raise GentoolError(f"{place} came with an exported model and is none itself; a run folder of others is not loaded")


def load(
    path: str | Path,
    weights: str = "ema",
    device: str = "auto",
    trust_local: bool | None = None,
    overrides: Sequence[str] = (),
) -> TrainedRun:
    """Open a trained run or an exported model, with another sampler perhaps; see `TrainedRun`."""
    return TrainedRun(path, weights, device, trust_local, overrides)


def load_reference(reference: RunRef, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> StepModel:
    """The frozen step model that an option of type `RunRef` points at, where and in the precision it is needed.

    Raises:
        GentoolError: it cannot be loaded, or is a run folder that came inside an exported model.
    """
    refuse_foreign(Path(reference.path))
    return TrainedRun(reference.path, reference.weights, "cpu").model.to(device, dtype)
