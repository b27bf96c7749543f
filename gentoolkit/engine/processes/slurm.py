"""The job file of a run under Slurm: a task per GPU, a signal before the time is over, and back into the queue after it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gentoolkit import recipe as recipes

from .stopping import seconds

NOTICE = 90
"""Seconds before the end of the job's time at which its tasks are told."""


def job(
    recipe: str | Path | dict[str, Any],
    overrides: Sequence[str] = (),
    *,
    nodes: int,
    gpus: int,
    time: str,
    partition: str | None = None,
) -> str:
    """The text of a job file that trains a recipe; the recipe is checked first.

    Args:
        recipe: its path or name.
        overrides: `training.steps=100` and the like.
        nodes: machines.
        gpus: of each machine, a process each; 0 is one process on its CPU.
        time: of the job, as `gentool train --max-time` takes it.
        partition: of the cluster, or its default.

    Raises:
        GentoolError: the recipe does not fit, for this number of processes, or the time is none.
    """
    tasks = max(1, gpus)
    loaded = recipes.load(recipe, overrides, nproc=nodes * tasks)
    name = re.sub(r"[^\w.-]", "_", loaded.name)
    span = int(seconds(time))
    options = {
        "job-name": name,
        "nodes": nodes,
        "ntasks-per-node": tasks,
        **({"gpus-per-node": gpus} if gpus else {}),
        "time": f"{span // 86400}-{span // 3600 % 24:02d}:{span // 60 % 60:02d}:{span % 60:02d}",
        **({"partition": shlex.quote(partition)} if partition else {}),
        "signal": f"USR1@{NOTICE}",
        "open-mode": "append",
        "output": f"{name}-%j.log",
    }
    command = shlex.join([sys.executable, "-m", "gentoolkit", "train", str(recipe), *overrides])
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH --{option}={value}" for option, value in options.items()),
            "#SBATCH --requeue",
            "",
            f"srun {command}",
            "code=$?",
            "# Stopped with a checkpoint: the same command goes on from there.",
            'if [ "$code" -eq 75 ]; then scontrol requeue "$SLURM_JOB_ID"; fi',
            'exit "$code"',
            "",
        ]
    )
