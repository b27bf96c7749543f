"""An average of any width, made after the training from snapshots of a power-function average.

    p_{gamma, n}(s) = (gamma + 1) s^gamma / n^(gamma + 1),  0 < s <= n

is how much the weights of step s count in an average that is looked at after n steps. The snapshots' profiles are combined so
that the sum is as near as can be, in least squares, to the profile that is asked for; the same combination of their weights is
the average (Karras et al., 2024, Sec. 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from attrs import frozen
from numpy.typing import NDArray
from torch import Tensor

from gentoolkit.recipe.exported import is_exported, verified
from gentoolkit.registry import GentoolError

from ..average import exponent
from .card import card
from .model_folder import Model, new_folder, write_model
from .snapshots import FOLDER
from .trained import TrainedRun, load, run_folder

WIDEST_GAP = 0.1
"""The largest part of a profile, by its norm, that a combination may miss."""


@frozen
class Synthesis:
    """What was made."""

    folder: Path
    step: int
    snapshots: int
    gap: float
    """The norm of what the combination of profiles misses, as a share of the norm of what was asked for."""


def inner(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The inner product of two profiles, each (gamma, n)."""
    (gamma_a, n_a), (gamma_b, n_b) = a, b
    n, m = min(n_a, n_b), max(n_a, n_b)
    late = gamma_a if n_a == m else gamma_b
    return float((gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1) * (n / m) ** late / m)


def shares(kept: Sequence[tuple[float, float]], wanted: tuple[float, float]) -> tuple[NDArray[np.float64], float]:
    """(factor of each kept profile, the gap that is left)."""
    gram = np.array([[inner(a, b) for b in kept] for a in kept])
    aim = np.array([inner(a, wanted) for a in kept])
    scale = np.sqrt(np.diag(gram))  # profiles of unit norm, or early ones would outweigh the others
    found: NDArray[np.float64] = np.linalg.lstsq(gram / np.outer(scale, scale), aim / scale, rcond=1e-12)[0] / scale
    norm = inner(wanted, wanted)
    missed = norm - 2 * found @ aim + found @ gram @ found
    return found, float(np.sqrt(max(missed, 0.0) / norm))


def synthesize(run: str | Path, out: str | Path, sigma_rel: float, step: int | None = None) -> Synthesis:
    """Write a model whose average is `sigma_rel` wide, made of a run's snapshots, into a new folder.

    Args:
        run: the run's folder, whose snapshots were averaged by a power function (`[ema] sigma_rel`).
        out: the folder, which must not be there yet, or be empty.
        sigma_rel: the width, as a share of the training up to `step`.
        step: the end of the average; the last snapshot's unless given.

    Raises:
        GentoolError: there are no such snapshots, or too few for this width.
    """
    if not 0 < sigma_rel <= 0.28:
        raise GentoolError(f"sigma_rel is a share of the training, above 0 and at most 0.28, not {sigma_rel}")
    target = new_folder(out)
    places = [p for p in sorted((Path(run) / FOLDER).glob("step-*")) if is_exported(p)]
    if not places:
        raise GentoolError(f"{run_folder(run)} has no snapshots to combine; a run keeps some with training.snapshot_every")
    steps = [verified(p).step for p in places]
    if step is not None and not steps[0] <= step <= steps[-1]:
        raise GentoolError(f"the snapshots of {run} are of steps {steps[0]} to {steps[-1]}; step {step} is not among them")
    places = [p for p, there in zip(places, steps, strict=True) if step is None or there <= step]
    models = [load(p, device="cpu") for p in places]
    last, end = models[-1], models[-1].step if step is None else step
    narrow = [one.recipe.ema.sigma_rel for one in models]
    if any(width is None for width in narrow) or len({one.loaded.run_id for one in models}) > 1:
        raise GentoolError(
            f"the snapshots of {run} cannot be combined: all must be of one recipe, averaged by a power function "
            "([ema] sigma_rel)"
        )
    kept = [(exponent(width), one.step) for width, one in zip(narrow, models, strict=True) if width is not None]
    factors, gap = shares(kept, (exponent(sigma_rel), end))
    if gap > WIDEST_GAP:
        raise GentoolError(
            f"{len(models)} snapshots of sigma_rel = {narrow[0]} are too few for a width of {sigma_rel} at step {end}: "
            f"{gap:.0%} of its profile would be missed; ask for another width or step, or keep more snapshots"
        )
    given = Model(
        loaded=last.loaded,
        tensors=combined(models, factors),
        parameters=sum(p.numel() for p in last.model.parameters()),
        step=end,
        weights=f"sigma_rel-{sigma_rel:g}",
        label_counts=last.label_counts,
        run=last.folder,
    )
    try:
        write_model(given, target, card)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}") from error
    return Synthesis(target, end, len(models), gap)


def combined(models: Sequence[TrainedRun], factors: NDArray[np.float64]) -> dict[str, Tensor]:
    """The sum of the models' weights, each by its factor; buffers are the last one's."""
    tables = [one.model.state_dict() for one in models]
    learned = {name for name, _ in models[-1].model.named_parameters()}
    made = dict(tables[-1])
    for name in learned:
        whole = sum(f * table[name].double() for f, table in zip(factors, tables, strict=True))
        made[name] = torch.as_tensor(whole).to(made[name].dtype)
    return made
