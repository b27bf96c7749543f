"""Stands in for the package `wandb` in the tests: what it is given goes to `wandb/standin.jsonl` of the run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Settings(dict[str, Any]):
    """As they were given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(options)


class Image:
    """A picture."""

    def __init__(self, picture: Any) -> None:
        self.size = picture.size


class Sent:
    """A run of the service."""

    def __init__(self, **options: Any) -> None:
        self.path = Path(options.pop("dir")) / "wandb" / "standin.jsonl"
        self._write({"init": options})

    def _write(self, what: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(what, default=lambda image: list(image.size)) + "\n")

    def define_metric(self, name: str, step_metric: str) -> None:
        """Note it."""
        self._write({"define": [name, step_metric]})

    def log(self, line: dict[str, Any]) -> None:
        """Note it."""
        self._write(line)

    def finish(self, exit_code: int) -> None:
        """Note it."""
        self._write({"finish": exit_code})


def init(**options: Any) -> Sent:
    """Begin."""
    return Sent(**options)
