"""Chaos: runs that are killed again and again, at every storage operation and at random instants, and end undisturbed.

    python tests/chaos/run.py                 20 runs, about 6 minutes on two cores; prints a table
    python tests/chaos/run.py --runs 1        one run that meets every operation

Every run is trained by fresh processes, forked from this one, which has imported everything and never computed. A fault point
(see `gentoolkit/engine/storage/faults.py`) or this script kills them with -9; when one dies the others are killed, as the
launcher does it. Then the run is started again, until nothing is left to go wrong. It must end with the bits and log of an
undisturbed run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "engine"))

import tiny
import torch
from attrs import define, field

from gentoolkit.engine.storage import checkpoints, faults, journal
from gentoolkit.engine.train import train

EVERY, KEEP = 2, 2
OPERATIONS = [
    *((when, point) for point in faults.POINTS for when in ("before", "after")),
    *(("middle", point) for point in ("environment.json", "data.json", "metrics.jsonl", "shard", "COMMIT.json", "rmtree")),
]
"""Every instant of storage that a process can die at."""
CONFIGURATIONS = [(1, True), (1, False), (2, True), (2, False)]
"""(processes, saves in the background)."""
RANDOM_KILLS = 3
LONGEST = 120.0
"""Seconds after which a process that does not end is an error."""


@define
class Told:
    """One disturbed run."""

    number: int
    processes: int
    background: bool
    steps: int
    operations: list[str] = field(factory=list)
    instants: int = 0
    starts: int = 0
    whole: bool = False
    """Whether it ended with the bits and the log of an undisturbed run."""


def learned(folder: Path, steps: int) -> str:
    """A hash of all that a finished run learned, and of the numbers that its log tells."""
    step, table = tiny.state(folder)
    assert step == steps, f"{folder} ended after {step} steps"
    summed = hashlib.sha256()
    for name in sorted(table):
        summed.update(name.encode())
        summed.update(table[name].contiguous().numpy().tobytes())
    for line in journal.read(folder / "metrics.jsonl"):
        told = {k: v for k, v in line.items() if k == "step" or "/" in k}
        summed.update(json.dumps(told, sort_keys=True).encode())
    return summed.hexdigest()


def recipe(folder: Path, steps: int, background: bool) -> dict[str, Any]:
    """What all runs train."""
    return tiny.recipe(
        "ddgan", folder, steps=steps, checkpoint_every=EVERY, keep=KEEP, log_every=EVERY, async_checkpoints=background
    )


def child(rank: int, told: Told, port: int, folder: Path, fault: str) -> int:
    """The process id of a forked worker that trains until it is done or dies."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        out = os.open(folder.with_suffix(f".{rank}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        where = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": told.processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        os.environ.update({name: str(value) for name, value in where.items()} if told.processes > 1 else {})
        faults.arm(fault)
        code = train(recipe(folder, told.steps, told.background), quiet=True, deep=False).code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def attempt(told: Told, folder: Path, fault: str = "", delay: float | None = None) -> bool:
    """Start the run once; whether it came to its end, or was killed.

    Args:
        told: which run.
        folder: its folder.
        fault: where its processes kill themselves.
        delay: seconds after which they are killed.
    """
    told.starts += 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [child(rank, told, port, folder, fault) for rank in range(told.processes)]
    started, killed, ended = time.monotonic(), False, []
    while running:
        for pid in list(running):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                running.remove(pid)
                ended.append(os.waitstatus_to_exitcode(status))
        late = time.monotonic() - started
        if running and not killed and (any(ended) or (delay is not None and late > delay)):
            killed = True
            for pid in running:
                os.kill(pid, signal.SIGKILL)
        if late > LONGEST:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{folder} with {fault or delay} did not end within {LONGEST} s")
        time.sleep(0.002)
    if -signal.SIGKILL in ended:
        return False
    assert not any(ended), f"{folder} with {fault or delay} ended with {ended}; see {folder.with_suffix('.0.log')}"
    return True


def sound(folder: Path, flipped: set[str]) -> None:
    """No kill may leave a checkpoint that looks whole and is not, but for those that were damaged on purpose."""
    there = checkpoints.committed(folder / "checkpoints")
    assert there, f"{folder} has lost its checkpoints"
    for checkpoint in there:
        problem = checkpoints.damage(checkpoint)
        assert problem is None or checkpoint.name in flipped, f"{checkpoint}: {problem}"


def flip(folder: Path, flipped: set[str]) -> None:
    """Damage the newest checkpoint, so that the next start has a commit to withdraw."""
    newest = checkpoints.committed(folder / "checkpoints")[0]
    if newest.name not in flipped:
        flipped.add(newest.name)
        shard = next(newest.path.glob("*.distcp"))
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)


def disturb(told: Told, folder: Path, wanted: Sequence[tuple[str, str]], takes: float, undisturbed: str) -> None:
    """One run, killed at the wanted operations and at random instants, until it is done."""
    rng = random.Random(told.number)
    flipped: set[str] = set()
    attempt(told, folder, "after:COMMIT.json:2")  # there is something to lose
    for when, point in rng.sample(wanted, len(wanted)):
        if point == "withdraw":
            while len([c for c in checkpoints.committed(folder / "checkpoints") if c.name not in flipped]) < 2:
                attempt(told, folder, "after:COMMIT.json:1")
            flip(folder, flipped)
        often = {"shard": 3, "rename": 2, "COMMIT.json": 3, "mkdir": 3, "line": 3}
        fault = f"{when}:{point}:{rng.randint(1, often.get(point, 1))}"
        assert not attempt(told, folder, fault), f"{fault} was never reached in {folder}"
        told.operations.append(fault)
        sound(folder, flipped)
    for _ in range(RANDOM_KILLS):
        left = 1 - checkpoints.committed(folder / "checkpoints")[0].step / told.steps
        told.instants += not attempt(told, folder, delay=rng.uniform(0, takes * left))
        sound(folder, flipped)
    assert attempt(told, folder)
    told.whole = learned(folder, told.steps) == undisturbed
    assert told.whole, f"{folder} ended with other bits than an undisturbed run"


def chaos(runs: int, scratch: Path, operations: Sequence[tuple[str, str]]) -> list[Told]:
    """All runs; those of one configuration share the operations among them."""
    undisturbed: dict[int, str] = {}
    takes: dict[int, float] = {}
    stories = []
    rounds = max(1, runs // len(CONFIGURATIONS))
    steps = 40 + 10 * len(operations) // rounds  # enough to be killed so often
    for number in range(runs):
        processes, background = CONFIGURATIONS[number % len(CONFIGURATIONS)]
        if processes not in undisturbed:
            folder, started = scratch / f"undisturbed-{processes}", time.monotonic()
            assert attempt(Told(number, processes, False, steps), folder)
            takes[processes], undisturbed[processes] = time.monotonic() - started, learned(folder, steps)
        told = Told(number, processes, background, steps)
        folder = scratch / f"run-{number}"
        disturb(
            told, folder, operations[number // len(CONFIGURATIONS) % rounds :: rounds], takes[processes], undisturbed[processes]
        )
        stories.append(told)
        print(row(told), flush=True)
        shutil.rmtree(folder)
    return stories


def row(told: Told) -> str:
    """A line of the table."""
    saves = "in the background" if told.background else "in the loop"
    return (
        f"| {told.number} | {told.processes} | {saves} | {len(told.operations)} | {told.instants} | {told.starts} "
        f"| {'the same' if told.whole else 'OTHER'} |"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--every", type=int, default=1, help="meet every n-th operation alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a kill loses nothing of it, and it need not be synced
    scratch = Path(tempfile.mkdtemp(prefix="gentool-chaos-", dir=memory))
    started = time.monotonic()
    print("| run | processes | saves | kills at operations | kills at random instants | starts | bits and log at the end |")
    print("|---|---|---|---|---|---|---|")
    stories = chaos(options.runs, scratch, OPERATIONS[:: options.every])
    kills = sum(len(t.operations) + t.instants for t in stories)
    points = len({fault.rpartition(":")[0] for t in stories for fault in t.operations})
    print(
        f"\n{len(stories)} runs of {stories[0].steps} steps, {kills} kills, {points} of {len(OPERATIONS)} instants of storage, "
        f"{time.monotonic() - started:.0f} s; {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores {platform.machine()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
