"""The working half of `loss-per-step`."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from gentoolkit.components.pictures import COLOURS, chart
from gentoolkit.registry import hookimpl

HEADER = ("step", "loss", "t", "value")
Row = tuple[int, str, int, float]


class LossTable:
    """Appends to `loss_per_step.csv`, and draws `loss_per_step-UPDATE-TERM.png` from it."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._drawn = 0

    @hookimpl
    def run_started(self, run: Any, step: int) -> None:
        """Begin the table; of an earlier process keep the rows up to the step it is resumed from."""
        kept = [row for row in read(self.table(run)) if row[0] <= step] if step else []
        unfinished = self.table(run).with_suffix(".part")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *kept])
        unfinished.replace(self.table(run))
        self._drawn = step

    @hookimpl
    def step_ended(self, run: Any, step: int, logs: dict[str, Any]) -> None:
        """Append a row for every t that the logged steps drew."""
        rows = [
            (step, name, t, value)
            for name, values in logs.get("loss_per_t", {}).items()
            for t, value in enumerate(values, start=1)
            if value is not None and not math.isnan(value)
        ]
        with self.table(run).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        if step - self._drawn >= self.every:
            self._draw(run, step)

    @hookimpl
    def run_ended(self, run: Any, step: int) -> None:
        """Draw what there is."""
        self._draw(run, step)

    def table(self, run: Any) -> Path:
        """Where the table of a run lies."""
        return Path(run.folder) / "loss_per_step.csv"

    def _draw(self, run: Any, step: int) -> None:
        self._drawn = step
        rows = read(self.table(run))
        for loss in dict.fromkeys(row[1] for row in rows):
            lines = lines_of(rows, loss)
            name = loss.replace("/", "-")
            chart(lines, f"{loss} at each t").save(Path(run.folder) / f"loss_per_step-{name}.png")


def lines_of(rows: list[Row], loss: str) -> dict[str, list[tuple[float, float]]]:
    """One line for each t of a loss; of many t as many as there are colours, evenly spread from 1 to T."""
    known = sorted({t for _, name, t, _ in rows if name == loss})
    few = len(COLOURS)
    if len(known) > few:
        known = sorted({known[round(i * (len(known) - 1) / (few - 1))] for i in range(few)})
    lines: dict[str, list[tuple[float, float]]] = {f"t = {t}": [] for t in known}
    for step, name, t, value in rows:
        if name == loss and f"t = {t}" in lines:
            lines[f"t = {t}"].append((step, value))
    return lines


def read(table: Path) -> list[Row]:
    """The rows of a table, none if there is no table; a last line that was cut off is left out."""
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    found = []
    for row in rows:
        try:
            step, loss, t, value = row
            found.append((int(step), loss, int(t), float(value)))
        except ValueError:
            continue
    return found
