"""The run's log and pictures of its samples in Weights & Biases, without a network unless asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.observers import Observer
from gentoolkit.registry import Facts, GentoolError, component, opt


@component
class WandB(Observer):
    """Mirror of the log and of sample grids for Weights & Biases; needs the extra `wandb`.

    Offline, everything lies in `wandb/` of the run folder, and `wandb sync` sends it. Recipe, machine, code and system load
    are not sent.
    """

    mode: str = opt(
        "auto",
        "auto is WANDB_MODE if set, online where somebody is logged in, else offline",
        choices=("auto", "offline", "online"),
    )
    project: str = opt("gentoolkit", "project that the run is part of")
    entity: str | None = opt(None, "user or team that owns the project; the one who is logged in unless given")

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The mirror.

        Raises:
            GentoolError: the package is not installed.
        """
        try:
            from .wandb_mirror import Mirror
        except ImportError as error:
            raise GentoolError("observer 'wandb' needs its package: pip install 'gentoolkit[wandb]'") from error
        return Mirror(self.mode, self.project, self.entity, facts)
