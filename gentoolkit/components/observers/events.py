"""The working half of `tensorboard`."""

from __future__ import annotations

from typing import Any

from torch.utils.tensorboard import SummaryWriter

from gentoolkit.registry import hookimpl


class Events:
    """Scalars of every logged step, losses per t, and the pictures that are there."""

    def __init__(self) -> None:
        self.writer: Any = None

    @hookimpl
    def run_started(self, run: Any, step: int) -> None:
        """Open the event file; what an interrupted process wrote beyond `step` is hidden."""
        self.writer = SummaryWriter(str(run.folder / "tensorboard"), purge_step=step or None)

    @hookimpl
    def step_ended(self, run: Any, step: int, logs: dict[str, Any]) -> None:
        """Write the line's numbers; `rate` is samples per second."""
        for name, value in logs.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, step)
        for term, table in logs.get("loss_per_t", {}).items():
            for t, value in enumerate(table, start=1):
                if value is not None:
                    self.writer.add_scalar(f"{term} per t/{t}", value, step)

    @hookimpl
    def evaluated(self, run: Any, step: int, results: Any) -> None:
        """Write what the metrics gave."""
        for result in results:
            for name, value in result.values.items():
                self.writer.add_scalar(f"metrics/{result.metric}/{name}", value, step)

    @hookimpl
    def run_ended(self, run: Any, step: int) -> None:
        """Close the event file."""
        self.writer.close()
