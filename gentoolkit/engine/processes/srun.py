"""Slurm's environment of a task, as torch's: `srun gentool train ...` is a worker like one of torchrun's."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

FIRST_PORT, PORTS = 15000, 15000
"""Below the ports that systems give away by themselves."""


def adopt(env: MutableMapping[str, str] = os.environ) -> bool:
    """Where `srun` started this as one of several tasks and nobody else has said who it is, say so in torch's words.

    A batch script's own shell has most of Slurm's variables too, but no step.
    """
    if "WORLD_SIZE" in env or "SLURM_STEP_ID" not in env or "SLURM_PROCID" not in env:
        return False
    tasks = env.get("SLURM_STEP_NUM_TASKS") or env.get("SLURM_NTASKS", "1")
    if int(tasks) < 2:
        return False
    nodes = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_NODELIST") or env.get("SLURM_JOB_NODELIST", "localhost")
    port = FIRST_PORT + (7 * int(env.get("SLURM_JOB_ID", "0")) + int(env["SLURM_STEP_ID"])) % PORTS
    env.update(RANK=env["SLURM_PROCID"], WORLD_SIZE=tasks, LOCAL_RANK=env.get("SLURM_LOCALID", "0"))
    env.setdefault("MASTER_ADDR", first_host(nodes))
    env.setdefault("MASTER_PORT", str(port))
    return True


def first_host(nodes: str) -> str:
    """The first host of Slurm's list: `a[03-07,9],b2` is `a03`, ..."""
    match = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,\[]*))?", nodes)
    return "".join(part or "" for part in match.groups()) if match else nodes
