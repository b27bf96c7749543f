"""Torch's elastic agent, with what a person expects of it.

A stop signal is handed to the workers, which leave with a checkpoint in their own time. A worker that is killed has all of them
start again from the newest checkpoint; one that fails for a reason that would come again ends the run. The agent's private
methods are overridden for want of public ones.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from torch.distributed.elastic.agent.server.api import RunResult, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs

from .launched import BEGAN, FINAL, RESUMABLE

HANDED_ON = {
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGUSR1: signal.SIGUSR1,
    signal.SIGINT: signal.SIGINT,
    signal.SIGHUP: signal.SIGTERM,
}
"""What workers get when the launcher gets something."""


class Agent(LocalElasticAgent):
    """The launcher's half of a run on one machine.

    Args:
        spec: what to start.
        reports: the folder of notes.
    """

    def __init__(self, spec: WorkerSpec, reports: Path) -> None:
        super().__init__(spec=spec, logs_specs=DefaultLogsSpecs(), start_method="spawn")
        self.reports, self.asked = reports, 0
        self._healthy = self._meeting = False
        self._nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        """Whether a closed terminal is no reason to stop; asked before torch listens, too."""

    def listen(self) -> None:
        """Take the signals; torch's own handlers, which would kill the workers after a while, are replaced."""
        for number in HANDED_ON:
            signal.signal(number, self._hand_on)
        if self._nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        if self._meeting:  # no worker is there; what was done is in a checkpoint
            shutil.rmtree(self.reports, ignore_errors=True)
            os._exit(RESUMABLE)
        began = (self.reports / BEGAN).exists()  # before, Python answers an interrupt with a traceback
        handed = HANDED_ON[signal.Signals(number)] if began else signal.SIGTERM
        for pid in (self._pcontext.pids() if self._pcontext else {}).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, handed)

    def _rendezvous(self, worker_group: Any) -> None:
        self._meeting = True
        self.listen()
        super()._rendezvous(worker_group)
        self._meeting = False

    def _start_workers(self, worker_group: Any) -> dict[int, Any]:
        started: dict[int, Any] = super()._start_workers(worker_group)
        self.listen()
        return started

    def _monitor_workers(self, worker_group: Any) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        self._healthy = result.state == WorkerState.HEALTHY
        if result.is_failed():
            if self.asked or (self.reports / FINAL).exists():
                self._remaining_restarts = 0
            elif self._remaining_restarts:
                most = worker_group.spec.max_restarts
                codes = {f.exitcode for f in result.failures.values()}
                codes = {c for c in codes if c < 0} or codes  # others fail because one was killed
                lost = ", ".join(signal.Signals(-c).name if c < 0 else f"exit code {c}" for c in sorted(codes))
                say(
                    f"a process was lost ({lost}); all start again from the newest checkpoint "
                    f"({most - self._remaining_restarts + 1} of at most {most} times)"
                )
        return result

    def _stop_workers(self, worker_group: Any, *rest: Any, **more: Any) -> None:
        # With one of them gone the others cannot finish their step; where another machine joins they can.
        self._shutdown(signal.SIGTERM if self._healthy else signal.SIGKILL)

    def kill(self) -> None:
        """End all workers at once."""
        self._shutdown(signal.SIGKILL)

    def outcome(self) -> int:
        """The exit code of a run whose workers did not end well."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.reports / FINAL).read_text())
        if self.asked:
            return 128 + self.asked if (self.reports / BEGAN).exists() else RESUMABLE
        return 1


def say(text: str) -> None:
    """A line of the launcher's, on stderr."""
    sys.stderr.write(f"warning: {text}\n")
    sys.stderr.flush()
