"""The losses of a run as text, for terminals and log files: `losses.txt` in the run folder.

discriminator/adversarial  █▇▅▄▃▂▂▁▁▁  1.39 -> 0.412
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit import Facts, component, opt
from gentoolkit.components.observers import Observer


@component
class Sparkline(Observer):
    """A line of text for each loss, drawn from the run's log."""

    every: int = opt(1000, "steps between drawings; the end of a run has one too", ge=1)
    width: int = opt(40, "characters of a line", ge=2, le=400)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The watcher of a run."""
        from .lines import Lines

        return Lines(self.every, self.width)
