"""metrics.jsonl, the truth about a run: one line per logged step, in order, also after a resume."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

from gentoolkit.registry import GentoolError

from ..log.meters import counted_seconds
from . import faults
from .whole import write_whole


class Journal:
    """An append-only log of JSON lines.

    Args:
        path: the file.
        step: lines beyond this step, left by a process that was killed after its last checkpoint, are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.counted = path, 0.0
        """Seconds of training that the lines tell of: those of steps that were lost and taken again are in it once."""
        self._open(step)

    def _open(self, step: int) -> None:
        if self.path.exists():
            lines = [line for line in self.path.read_text(errors="replace").splitlines() if _step(line) <= step]
            write_whole(self.path, "".join(line + "\n" for line in lines))
            self.counted = counted_seconds(map(json.loads, lines))
        self._file = self.path.open("a", buffering=1)

    def rewind(self, step: int) -> None:
        """Go on after `step`: later lines are dropped."""
        self.close()
        self._open(step)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line.

        Raises:
            GentoolError: it cannot be written.
        """
        try:
            with faults.point("line"):
                self._file.write(json.dumps(_finite(line)) + "\n")
        except OSError as error:
            raise GentoolError(
                f"{self._file.name} cannot be written: {error.strerror}; "
                "once it can, the same command goes on from the newest checkpoint"
            ) from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # of a line that could not be written, and was said
            self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a log; a line that a kill cut short is left out."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if _step(line) < math.inf]


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _finite(value: Any) -> Any:
    """JSON has no NaN: such numbers are written as strings."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
