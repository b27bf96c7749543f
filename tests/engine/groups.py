"""A group of processes that works for many tests, once: pytest-xdist may deal the tests of one file to several processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def worked(factory: pytest.TempPathFactory, worker: str, processes: int, prepare: Callable[[Path], None], seconds: int) -> Path:
    """The folder that a group of gloo processes has worked in; what is in it may be changed by one test alone.

    Args:
        factory: of this test process.
        worker: the script beside this file that each process runs with the folder.
        processes: how many.
        prepare: what is done in the folder before.
        seconds: how long they may take.
    """
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = root / f"group-{Path(worker).stem}"
    with (root / f"{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            prepare(folder)
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
            done = subprocess.run(
                [*command, str(Path(__file__).parent / worker), str(folder)],
                env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
                capture_output=True,
                text=True,
                timeout=seconds,
            )
            assert done.returncode == 0, done.stderr[-6000:]
            (folder / "done").touch()
    return folder
