"""Real samples that generated ones are nearest to, to see whether a model repeats what it was shown   (the paper's Fig. 16).

    d(x, y) = ‖f(x) - f(y)‖,   f the pixels in [-1, 1], or any features

gentoolkit.neighbours("runs/digits", 8, k=5).picture().save("neighbours.png")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import frozen
from PIL import Image
from torch import Tensor

from gentoolkit.components.pictures import table, tiles
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import Facts, GentoolError

from .opened import blocks, data_of, opened, read

Features = Callable[[Tensor], Tensor]
"""Samples `[n, *shape]` in data range, as `[n, d]`."""


@frozen(eq=False)
class Neighbours:
    """n samples and for each the k nearest of the data."""

    samples: Tensor
    """`[n, *shape]`."""
    indices: Tensor
    """`[n, k]`, in the data, the nearest first; of two as near the one that comes first."""
    distances: Tensor
    """`[n, k]`, float64."""
    nearest: Tensor
    """The real samples `[n, k, *shape]`."""
    facts: Facts

    def picture(self) -> Image.Image:
        """A row for each sample: itself, and what is nearest to it.

        Raises:
            GentoolError: the data are no images.
        """
        if self.facts.kind != "image":
            raise GentoolError("nearest neighbours are shown of images; points lie beside the data in a scatter plot")
        rows = [tiles(torch.cat([x[None], near])) for x, near in zip(self.samples, self.nearest, strict=True)]
        names = ["sample", *(f"{j + 1}" for j in range(self.indices.shape[1]))]
        labels = [f"nearest at {d:.3g}" for d in self.distances[:, 0].tolist()]
        return table(rows, names, labels, "the nearest of the training data")


def neighbours(
    run: TrainedRun | str | Path,
    n: int = 8,
    seed: int = 0,
    y: Sequence[int] | int | None = None,
    k: int = 5,
    features: Features | None = None,
) -> Neighbours:
    """The training samples that are nearest to the first n samples of a seed. Where training saw flipped images, too, these are
    not looked at.

    Args:
        run: an opened run, or its folder.
        n: how many samples.
        seed: of the samples.
        y: their classes, as in `run.sample`.
        k: neighbours of each.
        features: what is compared; the pixels unless given.

    Raises:
        GentoolError: a number is none, or the data cannot be opened, or have fewer than k items.
    """
    run = opened(run)
    k = whole_number(k, "the number of neighbours", 1)
    source = data_of(run)
    if k > len(source):
        raise GentoolError(f"the data have {len(source)} items, fewer than {k}")
    samples = run.sample(n, seed, y)
    indices, distances = nearest(samples, blocks(source), k, features)
    return Neighbours(samples, indices, distances, real(source, indices), run.facts)


def nearest(
    samples: Tensor, real: Iterator[tuple[int, Tensor]], k: int, features: Features | None = None
) -> tuple[Tensor, Tensor]:
    """(indices `[n, k]`, distances `[n, k]`) of the nearest of blocks of real samples; only a block's distances are held at
    once. What is not finite is infinitely far away."""
    seen = features or (lambda x: x.flatten(1))
    mine = seen(samples).double()
    best, which = mine.new_empty(len(mine), 0), torch.empty(len(mine), 0, dtype=torch.int64)
    for start, x in real:
        theirs = seen(x).double()
        apart = torch.cdist(mine, theirs, compute_mode="donot_use_mm_for_euclid_dist").nan_to_num(torch.inf, torch.inf)
        here = torch.arange(start, start + len(x)).expand(len(mine), -1)
        best, order = torch.cat([best, apart], 1).sort(dim=1, stable=True)
        best, which = best[:, :k], torch.cat([which, here], 1).gather(1, order[:, :k])
    return which, best


def real(source: Any, indices: Tensor) -> Tensor:
    """Real samples `[n, k, *shape]` of `indices [n, k]`, each read once."""
    unique, place = np.unique(indices.numpy(), return_inverse=True)
    x = read(source, unique)[0]
    return x[torch.from_numpy(place).reshape(indices.shape)]
