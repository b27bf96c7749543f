"""A small chaos run: one run that is killed at a third of the storage operations, and at random instants."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_run_that_is_killed_at_storage_operations_ends_with_the_bits_of_one_that_is_not() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "run.py"), "--runs", "1", "--every", "3"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "| 0 | 1 | in the background | 10 |" in done.stdout
    assert "| the same |" in done.stdout
