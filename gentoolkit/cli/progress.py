"""How far a command is: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import click

SECONDS = 5.0


class Progress:
    """Shows (done, total) as it is called; nothing before the first call.

    Args:
        what: the work, in a word or two.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._bar: Any = None
        self._task: Any = None
        self._began = self._said = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done."""
        from gentoolkit.engine.log.console import on_a_terminal

        now = time.monotonic()
        if self._first is None:
            self._first, self._began = done, now
        if on_a_terminal():
            if self._bar is None:
                self._start(total)
            self._bar.update(self._task, completed=done)
        elif now - self._said > SECONDS or done == total:
            self._said = now
            rate = (done - self._first) / max(now - self._began, 1e-9)
            click.echo(f"{self.what}  {done}/{total}" + (f"  {rate:.0f} img/s" if rate else ""))

    def _start(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar.start()
        self._task = self._bar.add_task(self.what, total=total)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
