"""Several processes, on this machine or on several: torch's elastic launch, with the same command as worker."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from gentoolkit.registry import GentoolError

from .launched import LAUNCHER, REPORTS, RESUMABLE, STOPPED
from .srun import adopt
from .world import world_size

STARTED = "GENTOOL_STARTED"
ALIVE_SECONDS = 2
"""A machine that has not been heard of for three times as long is taken for lost."""


@frozen
class Machines:
    """How many machines train together, and where they meet."""

    least: int = 1
    most: int = 1
    meeting: str = "localhost:0"
    """HOST:PORT; the machine that is HOST keeps the place."""
    id: str = "gentool"
    """Of the run, where several meet at one place."""


def machines(count: str, meeting: str | None, name: str | None) -> Machines:
    """What `--nnodes`, `--rdzv` and `--rdzv-id` say.

    Raises:
        GentoolError: a number is none, or the meeting place is missing.
    """
    least, _, most = count.partition(":")
    if not (least.isdigit() and (most or least).isdigit() and 1 <= int(least) <= int(most or least)):
        raise GentoolError(f"--nnodes is a number of machines, or MIN:MAX, not {count!r}")
    if meeting is None:
        if int(most or least) == 1:
            return Machines(id=uuid.uuid4().hex)
        raise GentoolError("several machines need a place to meet: --rdzv HOST:PORT, the same on all of them")
    host, _, port = meeting.rpartition(":")
    if not host or not port.isdigit():
        raise GentoolError(f"--rdzv is HOST:PORT, not {meeting!r}")
    return Machines(int(least), int(most or least), meeting, name or "gentool")


def is_worker() -> bool:
    """Whether this process was started by torchrun or srun, or by a launcher of ours."""
    return adopt() or "TORCHELASTIC_RUN_ID" in os.environ or world_size() > 1


def is_follower() -> bool:
    """Whether another process of the group says what there is to say."""
    return os.environ.get("RANK", "0") != "0"


def launch(processes: int, arguments: Sequence[str], where: Machines | None = None, restarts: int = 3) -> int:
    """Run `gentool ARGUMENTS` in workers and wait for them; the exit code that they agree on.

    Args:
        processes: workers on this machine.
        arguments: of the command.
        where: with which other machines; alone unless given.
        restarts: how often all start again from the newest checkpoint because a process or a machine was lost.
    """
    # Without this, workers that restart over gloo race for a store that the agent still holds.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    for number in (signal.SIGINT, signal.SIGTERM):  # torch waits in places where Python's handlers are not heard
        signal.signal(number, signal.SIG_DFL)
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.rendezvous import RendezvousParameters, registry
    from torch.distributed.elastic.rendezvous.api import RendezvousClosedError, RendezvousError

    from .agent import Agent, say

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # workers say themselves what went wrong
    where = where or Machines(id=uuid.uuid4().hex)
    os.environ[STARTED] = str(started())
    reports = Path(tempfile.mkdtemp(prefix="gentool-"))
    os.environ[REPORTS], os.environ[LAUNCHER] = str(reports), str(os.getpid())
    try:
        while True:
            agent = None
            try:
                meeting = registry.get_rendezvous_handler(
                    RendezvousParameters(
                        backend="c10d",
                        endpoint=where.meeting,
                        run_id=where.id,
                        min_nodes=where.least,
                        max_nodes=where.most,
                        keep_alive_interval=ALIVE_SECONDS,
                    )
                )
                spec = WorkerSpec(
                    role="gentool",
                    local_world_size=processes,
                    entrypoint=sys.executable,
                    args=("-u", "-m", "gentoolkit", *arguments),
                    rdzv_handler=meeting,
                    max_restarts=restarts,
                    monitor_interval=0.1,
                )
                agent = Agent(spec, reports)
                result = agent.run()
                meeting.shutdown()
            except RendezvousClosedError:
                say("the launcher of another machine has ended this run; its messages say why")
                return agent.outcome() if agent else 1
            except RendezvousError as error:
                if agent is not None:
                    agent.kill()
                if agent is not None and agent.asked:
                    return agent.outcome()
                if restarts == 0:
                    raise GentoolError(f"the machines did not meet at {where.meeting}: {error}") from error
                restarts -= 1
                say(f"{where.meeting} is lost or not there yet; trying again")
                continue
            if result.is_failed():
                return agent.outcome()
            return RESUMABLE if (reports / STOPPED).exists() else 0
    finally:
        shutil.rmtree(reports, ignore_errors=True)
        del os.environ[REPORTS], os.environ[LAUNCHER]


def started() -> float:
    """`time.monotonic()` at which the command began; in a worker, the launcher's, which started more than once perhaps."""
    return float(os.environ.get(STARTED) or time.monotonic())
