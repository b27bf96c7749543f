"""The job file that is written runs: with stand-ins for Slurm's commands, two tasks train together and are requeued."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import gentoolkit
from gentoolkit.engine.processes.slurm import job
from gentoolkit.registry import GentoolError

from . import tiny
from .test_launch import toml

SRUN = """#!/bin/bash
export SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost
SLURM_PROCID=0 SLURM_LOCALID=0 "$@" & first=$!
SLURM_PROCID=1 SLURM_LOCALID=1 "$@" & second=$!
wait $first; one=$?; wait $second; two=$?
exit $((one > two ? one : two))
"""


def test_the_job_file_trains_and_is_requeued(tmp_path: Path) -> None:
    table = tiny.recipe("ddpm", tmp_path / "run", steps=1000)
    parts = {name: part for name, part in table.items() if part}
    recipe = tmp_path / "a recipe's.toml"
    recipe.write_text("".join(f"[{n}]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in p.items()) for n, p in parts.items()))
    text = job(str(recipe), ["training.log_every=2"], nodes=1, gpus=0, time="2h30m", partition="long; rm")
    for line in ("--time=0-02:30:00", "--signal=USR1@90", "--requeue", "--partition='long; rm'", "--ntasks-per-node=1"):
        assert f"#SBATCH {line}\n" in text
    script = tmp_path / "job.sh"
    script.write_text(text)
    subprocess.run(["bash", "-n", script], check=True)

    stands = tmp_path / "bin"
    stands.mkdir()
    for name, body in (("srun", SRUN), ("scontrol", f'#!/bin/bash\necho "$@" > {tmp_path}/asked\n')):
        (stands / name).write_text(body)
        (stands / name).chmod(0o755)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "STOP").touch()
    env = {**os.environ, "PATH": f"{stands}:{os.environ['PATH']}", "SLURM_JOB_ID": str(os.getpid()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", script], env=env, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode == 75, done.stdout + done.stderr
    assert "2 processes" in done.stdout
    assert "stopped after step" in done.stdout
    assert (tmp_path / "asked").read_text().split() == ["requeue", str(os.getpid())]
    assert gentoolkit.load(tmp_path / "run").step > 0


def test_what_cannot_run_is_said_before_it_is_queued() -> None:
    with pytest.raises(GentoolError, match="cannot be shared equally by 6 processes"):
        job("quickstart", ["training.batch_size=64"], nodes=2, gpus=3, time="1h")
    with pytest.raises(GentoolError, match="is no time span"):
        job("quickstart", nodes=1, gpus=1, time="soon")
