"""Several processes on this machine: torchrun's own elastic launch, with the same command as worker."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from .stopping import RESUMABLE
from .world import world_size

REPORT = "GENTOOL_STOP_REPORT"
STARTED = "GENTOOL_STARTED"


def is_worker() -> bool:
    """Whether this process was started by torchrun."""
    return "TORCHELASTIC_RUN_ID" in os.environ or world_size() > 1


def is_follower() -> bool:
    """Whether another process of the group says what there is to say."""
    return os.environ.get("RANK", "0") != "0"


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `gentool ARGUMENTS` in `processes` workers and wait for them; the exit code that they agree on."""
    # Without this, workers that restart over gloo race for a store that the agent still holds.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # workers say themselves what went wrong
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    os.environ[STARTED] = str(started())
    report = Path(tempfile.mkdtemp(prefix="gentool-")) / "stopped"
    os.environ[REPORT] = str(report)
    try:
        elastic_launch(config, sys.executable)("-u", "-m", "gentoolkit", *arguments)
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        # A worker that stops because another one failed says nothing of its own.
        said = codes - {-15, -6, 1} or codes
        return max(said) if max(said) > 0 else 1
    except SignalException:
        return RESUMABLE if report.exists() else 1
    finally:
        shutil.rmtree(report.parent, ignore_errors=True)
    return 0


def started() -> float:
    """`time.monotonic()` at which the command began; in a worker, the launcher's, which started more than once perhaps."""
    return float(os.environ.get(STARTED) or time.monotonic())


def report_stop() -> None:
    """In a worker that stopped with a committed checkpoint: tell the launcher, which does not see exit codes then."""
    if REPORT in os.environ:
        Path(os.environ[REPORT]).touch()
