"""Launching: what a launcher does when a process is lost, when it is told to stop, and when it is killed itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch.distributed.run

from gentoolkit.cli.train import command
from gentoolkit.engine.processes import launched, srun
from gentoolkit.engine.processes.launch import Machines, machines
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny


def start(folder: Path, **training: Any) -> subprocess.Popen[str]:
    """`gentool train --nproc 2` of a tiny recipe that goes on until it is stopped."""
    recipe = tiny.recipe("ddpm", folder / "run", log_every=5, checkpoint_every=5, **training)
    table = folder / "recipe.toml"
    text = "".join(
        f"[{name}]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in part.items()) for name, part in recipe.items() if part
    )
    table.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "gentoolkit", "train", str(table), "--nproc", "2", "--no-deep"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def workers(launcher: int) -> list[int]:
    """Processes whose parent is the launcher and that have begun to run gentoolkit."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            line = (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == launcher and b"gentoolkit" in line:
            found.append(int(stat.parent.name))
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs still (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that must not outlive the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_killed_worker_is_started_again_and_a_killed_launcher_takes_its_workers_along(
    tmp_path: Path, running: list[subprocess.Popen[str]]
) -> None:
    running.append(process := start(tmp_path, steps=100_000, precision="fp64"))
    log = tmp_path / "run" / "metrics.jsonl"
    wait_for(lambda: (log.exists() and len(log.read_text().splitlines()) > 3) or process.poll() is not None)
    before = workers(process.pid)
    assert len(before) == 2
    os.kill(before[1], signal.SIGKILL)
    wait_for(lambda: len(now := workers(process.pid)) == 2 and not set(now) & set(before))
    again = workers(process.pid)
    lines = len(log.read_text().splitlines())
    wait_for(lambda: len(log.read_text().splitlines()) > lines + 3 or process.poll() is not None)
    process.kill()
    out, _ = process.communicate(timeout=60)
    assert out.count("warning: a process was lost (") == 1
    assert "all start again from the newest checkpoint (1 of at most 3 times)" in out
    assert "going on from step" in out
    assert "Traceback" not in out
    wait_for(lambda: not any(map(alive, again)), 10)
    step, together = tiny.state(tmp_path / "run")
    train(tiny.recipe("ddpm", tmp_path / "alone", precision="fp64", steps=step, checkpoint_every=10**6, log_every=10**6))
    assert tiny.largest_difference(together, tiny.state(tmp_path / "alone")[1]) < 1e-9


def test_an_interrupt_while_workers_start_is_obeyed_at_once(tmp_path: Path, running: list[subprocess.Popen[str]]) -> None:
    running.append(process := start(tmp_path))
    wait_for(lambda: len(workers(process.pid)) == 2)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 75
    assert time.monotonic() - asked < 15
    assert process.stdout is not None
    assert "Traceback" not in process.stdout.read()


def test_a_mistake_that_workers_find_is_said_once_and_not_tried_again(
    tmp_path: Path, running: list[subprocess.Popen[str]]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("in the way")
    running.append(process := start(tmp_path))
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 2, out
    assert out.count("error:") == 1, out
    assert "was lost" not in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("2", "a:29400", None), Machines(2, 2, "a:29400", "gentool")),
        (("1:4", "a:29400", "x"), Machines(1, 4, "a:29400", "x")),
    ],
)
def test_machines(arguments: tuple[str, str | None, str | None], expected: Machines) -> None:
    assert machines(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("two", None, None), "--nnodes is a number of machines, or MIN:MAX, not 'two'"),
        (("3:2", "a:1", None), "--nnodes"),
        (("2", None, None), "need a place to meet: --rdzv HOST:PORT"),
        (("2", "a", None), "--rdzv is HOST:PORT, not 'a'"),
    ],
)
def test_what_is_wrong_with_machines_is_said(arguments: tuple[str, str | None, str | None], said: str) -> None:
    with pytest.raises(GentoolError, match=said):
        machines(*arguments)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("a[03-07,9],b2", "a03"), ("n1,n2", "n1"), ("node-12", "node-12"), ("gpu[1-2]-ib,x", "gpu1-ib"), ("r1n[08],z", "r1n08")],
)
def test_the_first_host_of_a_list(nodes: str, first: str) -> None:
    assert srun.first_host(nodes) == first


def test_a_task_of_srun_is_a_worker() -> None:
    env = {
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": "3",
        "SLURM_NTASKS": "4",
        "SLURM_LOCALID": "1",
        "SLURM_NODELIST": "n[1-2]",
        "SLURM_JOB_ID": "77",
    }
    assert srun.adopt(env)
    assert {k: env[k] for k in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")} == {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "n1",
        "MASTER_PORT": str(15000 + 7 * 77),
    }
    alone = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
    batch = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
    assert not srun.adopt(alone)
    assert not srun.adopt(batch), "a batch script's own shell is no task"
    assert not srun.adopt({**env, "WORLD_SIZE": "2"}), "torchrun under srun"


def test_a_collective_that_lost_its_partner_is_no_mistake() -> None:
    error = GentoolError("a checkpoint cannot be written")
    error.__cause__ = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4")
    assert launched.lost_another(error)
    assert not launched.lost_another(ValueError("a loss of 3"))


def test_torchrun_leaves_the_options_of_a_worker_alone() -> None:
    options = [o for p in command.params if isinstance(p, click.Option) for o in p.opts]
    launching = {"--nproc", "--nnodes", "--rdzv", "--rdzv-id"}
    parser = torch.distributed.run.get_args_parser()
    theirs = [o for action in parser._actions for o in action.option_strings]
    for option in set(options) - launching:
        assert not any(known.startswith(option) for known in theirs), option
