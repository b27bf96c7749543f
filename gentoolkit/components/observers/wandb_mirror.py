"""The working half of `wandb`: a thread of its own talks to the service, so that the run never waits for a network.

Lines have their step as a number of their own, and every chart has it as its x axis: the service refuses lines that go back, as
those of a run that was resumed from an earlier step do.
"""

from __future__ import annotations

import hashlib
import netrc
import os
import re
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import urlparse

import wandb

from gentoolkit.components.pictures import picture
from gentoolkit.registry import Facts, hookimpl

WAITING = 10_000
"""Lines that may wait for the service; with more of them it does not keep up, and is given up."""
PATIENCE = 60.0
"""Seconds that the end of a run waits for what is still to be sent."""
LARGEST_GRID = 64
ID = "id.txt"


class Mirror:
    """Hands lines and pictures to the thread.

    Args:
        mode: `auto`, `offline` or `online`.
        project: project of the run.
        entity: its owner, or None.
        facts: kind of data, for pictures.
    """

    def __init__(self, mode: str, project: str, entity: str | None, facts: Facts) -> None:
        self.mode, self.project, self.entity, self.facts = mode, project, entity, facts
        self.waiting: Queue[dict[str, Any] | int] = Queue(WAITING)
        self.thread: Thread | None = None
        self.failed: BaseException | None = None

    @hookimpl
    def run_started(self, run: Any, step: int) -> None:
        """Begin, or go on with what an earlier process began."""
        if self.thread is None:
            identity = identity_of(run)
            self.thread = Thread(target=self._send, args=(run.folder, run.name, identity), name="wandb", daemon=True)
            self.thread.start()

    @hookimpl
    def step_ended(self, run: Any, step: int, logs: dict[str, Any]) -> None:
        """The line's numbers, and the losses per t."""
        numbers: dict[str, Any] = {name: value for name, value in logs.items() if isinstance(value, float)}
        for term, table in logs.get("loss_per_t", {}).items():
            numbers.update({f"{term} per t/{t}": value for t, value in enumerate(table, start=1) if value is not None})
        self._hand(step, numbers)

    @hookimpl
    def sampled(self, run: Any, step: int, samples: Any) -> None:
        """A picture of the samples that some observer wanted."""
        shown = samples[:LARGEST_GRID] if self.facts.kind == "image" else samples
        self._hand(step, {"samples": picture(shown, self.facts)})

    @hookimpl
    def evaluated(self, run: Any, step: int, results: Any) -> None:
        """What the metrics gave."""
        self._hand(step, {f"metrics/{r.metric}/{name}": value for r in results for name, value in r.values.items()})

    @hookimpl
    def run_ended(self, run: Any, step: int) -> None:
        """Wait a little for what is still to be sent."""
        self._end(0)

    @hookimpl
    def run_failed(self, run: Any, step: int, error: BaseException) -> None:
        """The same, and say that the run failed."""
        self._end(1)

    def _hand(self, step: int, numbers: dict[str, Any]) -> None:
        if self.failed is not None:
            raise self.failed
        self.waiting.put_nowait({"step": step, **numbers})

    def _end(self, code: int) -> None:
        if self.thread is None:
            return
        if self.failed is not None:
            raise self.failed
        self.waiting.put_nowait(code)
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise TimeoutError(f"what is left was not sent within {PATIENCE:.0f} seconds; `wandb sync` sends it")
        if self.failed is not None:
            raise self.failed

    def _send(self, folder: Path, name: str, identity: str) -> None:
        """In the thread: send what is handed over, until an exit code comes."""
        try:
            settings = wandb.Settings(
                silent=True,
                console="off",
                save_code=False,
                disable_git=True,
                disable_code=True,
                disable_job_creation=True,
                x_disable_stats=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            )
            sent: Any = wandb.init(
                project=self.project,
                entity=self.entity,
                name=name,
                id=identity,
                resume="allow",
                dir=str(folder),
                mode=mode_of(self.mode),
                settings=settings,
            )
            sent.define_metric("*", step_metric="step")
            while isinstance(item := self.waiting.get(), dict):
                sent.log({key: wandb.Image(value) if key == "samples" else value for key, value in item.items()})
            sent.finish(exit_code=item)
        except BaseException as error:
            self.failed = error


def mode_of(mode: str) -> Any:
    """What `wandb.init` is told: `auto` is decided by WANDB_MODE, or by whether somebody is logged in."""
    if mode != "auto":
        return mode
    return os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")


def logged_in() -> bool:
    """Whether there is a key for the service, in the environment or where `wandb login` writes it."""
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return bool(os.environ.get("WANDB_API_KEY")) or netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def identity_of(run: Any) -> str:
    """The service's id of a run: from its own id and folder, and kept there, since more steps change the one and a move the
    other."""
    kept = Path(run.folder) / "wandb" / ID
    if kept.is_file() and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", found := kept.read_text().strip()):
        return found
    made = hashlib.sha256(f"{run.id} {Path(run.folder).resolve()}".encode()).hexdigest()[:24]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(made + "\n")
    return made
