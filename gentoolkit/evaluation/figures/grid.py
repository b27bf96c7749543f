"""Samples in rows and columns; of a class-conditional model a class for each row.

gentoolkit.grid("runs/digits", columns=8, rows=10).picture().save("grid.png")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen
from PIL import Image
from torch import Tensor

from gentoolkit.components.pictures import table, tiles
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.samples.sample_files import LARGEST_GRID
from gentoolkit.engine.samples.sampling import whole_number
from gentoolkit.registry import GentoolError

from .opened import opened


@frozen(eq=False)
class Grid:
    """The first samples of a seed, row by row."""

    samples: Tensor
    """`[rows, columns, C, H, W]`."""
    y: tuple[int, ...] | None
    """The class of each row; None for an unconditional model."""

    def picture(self) -> Image.Image:
        """The samples, beside the class of their row."""
        labels = () if self.y is None else [f"class {k}" for k in self.y]
        return table([tiles(row) for row in self.samples], (), labels)


def grid(
    run: TrainedRun | str | Path, columns: int = 8, rows: int = 8, seed: int = 0, y: Sequence[int] | int | None = None
) -> Grid:
    """Samples in rows; all of those of `run.sample(columns * rows, seed, y)` with the classes of their rows.

    Args:
        run: an opened run on images, or its folder.
        columns: samples in a row.
        rows: how many.
        seed: of the samples.
        y: classes that the rows have in turn; all of them unless given. Of an unconditional model None.

    Raises:
        GentoolError: a number is none, the grid too large, the data no images, or classes do not fit.
    """
    run = opened(run)
    columns, rows = whole_number(columns, "the number of columns", 1), whole_number(rows, "the number of rows", 1)
    if run.facts.kind != "image":
        raise GentoolError(f"data '{run.facts.data}' gives points, which are drawn in one scatter plot; leave the grid out")
    if columns * rows > LARGEST_GRID:
        raise GentoolError(f"a grid of {columns} by {rows} is too large; at most {LARGEST_GRID} samples are in a picture")
    cycle = [y] if isinstance(y, int) else list(range(run.facts.classes)) if y is None and run.facts.classes else y
    of_rows = None if cycle is None else [cycle[r % len(cycle)] for r in range(rows)] if len(cycle) else []
    each = None if of_rows is None else [k for k in of_rows for _ in range(columns)]
    samples = run.sample(columns * rows, seed, each)
    return Grid(samples.reshape(rows, columns, *run.facts.shape), None if of_rows is None else tuple(of_rows))
