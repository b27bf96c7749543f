"""Samples of points beside the data, in one scale.

gentoolkit.beside_data("runs/gaussians").picture().save("points.png")
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from PIL import Image
from torch import Tensor

from gentoolkit.components.pictures import extent, scatter, table
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import Facts, GentoolError

from .opened import opened, some_real


@frozen(eq=False)
class BesideData:
    """As many samples as real points, `[n, D]`."""

    samples: Tensor
    real: Tensor
    facts: Facts

    def picture(self, side: int = 400) -> Image.Image:
        """Two scatter plots; what lies outside is counted in the corner."""
        means = None if self.facts.mixture is None else self.facts.mixture["means"]
        limit = max(extent(self.real), extent(self.real, means))
        return table([[scatter(x, None, side, limit) for x in (self.real, self.samples)]], ["data", "samples"])


def beside_data(run: TrainedRun | str | Path, n: int = 2000, seed: int = 0) -> BesideData:
    """The first n samples of a seed and n real points, or all where there are fewer.

    Raises:
        GentoolError: the data are no points, or cannot be opened; n is no number.
    """
    run = opened(run)
    n = whole_number(n, "the number of samples", 1)
    if run.facts.kind != "points":
        raise GentoolError(f"data '{run.facts.data}' gives images; points are drawn beside the data")
    return BesideData(run.sample(n, seed), some_real(run, n, seed, fewer=True)[0], run.facts)
