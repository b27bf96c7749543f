"""The working half of `sparkline`: a function of the run's log, so that a resumed run draws what an uninterrupted one does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gentoolkit import hookimpl

BARS = "▁▂▃▄▅▆▇█"
NOT_A_NUMBER = "·"


class Lines:
    """Draws `losses.txt` from `metrics.jsonl`."""

    def __init__(self, every: int, width: int) -> None:
        self.every, self.width = every, width
        self._drawn = 0

    @hookimpl
    def run_started(self, run: Any, step: int) -> None:
        """Count from the step where this process starts."""
        self._drawn = step

    @hookimpl
    def step_ended(self, run: Any, step: int, logs: dict[str, Any]) -> None:
        """Draw if it is time."""
        if step // self.every > self._drawn // self.every:
            self._drawn = step
            self._draw(Path(run.folder))

    @hookimpl
    def run_ended(self, run: Any, step: int) -> None:
        """Draw the whole run."""
        self._draw(Path(run.folder))

    def _draw(self, folder: Path) -> None:
        histories = losses(folder / "metrics.jsonl")
        name_width = max(map(len, histories), default=0)
        lines = [f"{name:<{name_width}}  {sketch(values, self.width)}\n" for name, values in histories.items()]
        unfinished = folder / ".losses.txt.part"
        unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.replace(folder / "losses.txt")


def losses(log: Path) -> dict[str, list[float]]:
    """The history of every number called `update/term` in a log, non-finite ones too; a line cut short is left out."""
    found: dict[str, list[float]] = {}
    for text in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        for name, value in line.items():
            if "/" in name and isinstance(value, int | float | str):  # NaN is written as text
                found.setdefault(name, []).append(float(value))
    return found


def sketch(values: Sequence[float], width: int) -> str:
    """A sparkline of at most `width` bars, each the mean of its share of the values, with the first and last of them."""
    bars = list(means(values, min(width, len(values))))
    finite = [v for v in bars if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    line = "".join(bar(v, low, high) for v in bars)
    return f"{line}  {values[0]:.3g} -> {values[-1]:.3g}" if values else line


def means(values: Sequence[float], pieces: int) -> Iterable[float]:
    """The means of `pieces` consecutive, nearly equal shares."""
    for i in range(pieces):
        share = values[i * len(values) // pieces : (i + 1) * len(values) // pieces]
        yield sum(share) / len(share)


def bar(value: float, low: float, high: float) -> str:
    """The bar for a value between `low` and `high`."""
    if not math.isfinite(value):
        return NOT_A_NUMBER
    height = 0.0 if high == low else (value - low) / (high - low)
    return BARS[min(int(height * len(BARS)), len(BARS) - 1)]
