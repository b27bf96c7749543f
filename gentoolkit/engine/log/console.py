"""What a person sees of a run: a progress bar on a terminal, one plain line every few seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUIET_SECONDS = 5.0


def on_a_terminal() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def unheard() -> Iterator[None]:
    """Words that nobody hears any more (a closed terminal or pipe, a full disk behind it) do not end a run.

    From then on they go nowhere.
    """
    try:
        yield
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Console:
    """Progress of a run on stdout.

    Args:
        name: the run's name.
        steps: the last step.
        batch: samples per step, for img/s.
        start: the step this process starts at.
        unit: `img` or `points`.
        quiet: nothing but warnings.
    """

    def __init__(self, name: str, steps: int, batch: int, start: int, unit: str, quiet: bool) -> None:
        self.name, self.steps, self.batch, self.unit, self.quiet = name, steps, batch, unit, quiet
        self._printed = 0.0
        self._bar: Any = None
        if not quiet and on_a_terminal():
            self._bar = self._make_bar(start)

    def _make_bar(self, start: int) -> Any:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            # On a narrow terminal it is the numbers that are cut short.
            TextColumn("{task.fields[numbers]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            expand=True,
        )
        bar.start()
        self._task = bar.add_task(self.name, total=self.steps, completed=start, numbers="")
        return bar

    def say(self, text: str) -> None:
        """A line of its own, on stdout."""
        with unheard():
            if self._bar is not None:
                self._bar.console.print(text, markup=False, highlight=False)
            elif not self.quiet:
                print(text, flush=True)

    def warn(self, text: str) -> None:
        """A line that is shown even when quiet, on stderr."""
        with unheard():
            if self._bar is not None:
                self._bar.console.print(f"warning: {text}", markup=False, highlight=False)
            else:
                print(f"warning: {text}", file=sys.stderr, flush=True)

    def logged(self, step: int, line: dict[str, Any]) -> None:
        """Show the losses and gradient norms of a logged step, and how fast it goes; the other meters are in the log."""
        shares = [f"{name} {100 * line[name]:.0f}%  " for name in ("mfu", "goodput") if name in line]
        numbers = f"{line['rate']:.0f} {self.unit}/s  {''.join(shares)}" + "  ".join(
            f"{name} {_short(value)}" for name, value in line.items() if isinstance(value, float) and "/" in name
        )
        if self._bar is not None:
            with unheard():
                self._bar.update(self._task, completed=step, numbers=numbers)
        elif not self.quiet and (time.monotonic() - self._printed > QUIET_SECONDS or step == self.steps):
            self._printed = time.monotonic()
            left = (self.steps - step) * self.batch / max(line["rate"], 1e-9)
            with unheard():
                print(f"{self.name}  {step}/{self.steps}  {_duration(left)} left  {numbers}", flush=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        with unheard():
            if self._bar is not None:
                self._bar.stop()


def _short(value: float) -> str:
    return f"{value:.3g}"


def _duration(seconds: float) -> str:
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}h{m:02d}m" if hours else f"{m}m{s:02d}s"
