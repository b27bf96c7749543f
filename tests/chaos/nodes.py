"""Two machines on one: two launchers on the loopback train together, one of them is killed with its worker and comes back.

    python tests/chaos/nodes.py [FOLDER]

Prints what happened, and whether the run ended with the weights of an undisturbed one.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints

STEPS, EVERY, KILL_AFTER = 400, 20, 60
RECIPE: dict[str, Any] = {
    "data": {"use": "gaussians25", "size": 64},
    "model": {"denoiser": {"use": "mlp", "width": 8, "depth": 2}, "parametrization": "eps-posterior"},
    "method": {"use": "ddpm"},
    "training": {"steps": STEPS, "batch_size": 8, "checkpoint_every": EVERY, "log_every": 10, "precision": "fp64"},
    "observers": {"slow": {"use": "local/Slow"}},
    "local": {"modules": ["slow.py"]},
}
SLOW = '''
import time
from gentoolkit import component, hookimpl
from gentoolkit.components.observers import Observer


@component
class Slow(Observer):
    """Makes a run long enough to be disturbed."""

    def build(self, facts, parts):
        return self

    @hookimpl
    def step_ended(self, run, step, logs):
        time.sleep(0.1)
'''


def toml(table: dict[str, Any]) -> str:
    """A recipe as a file."""
    lines = []
    for name, part in table.items():
        lines.append(f"[{name}]")
        for key, value in part.items():
            shown = json.dumps(value)
            if isinstance(value, dict):
                shown = "{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }"
            lines.append(f"{key} = {shown}")
    return "\n".join(lines) + "\n"


def launcher(folder: Path, name: str, port: int) -> subprocess.Popen[str]:
    """One machine's launcher, with one worker."""
    command = [sys.executable, "-m", "gentoolkit", "train", "recipe.toml", f"run.name={name}", "--no-deep"]
    return subprocess.Popen(
        [*command, "--nnodes", "2", "--rdzv", f"localhost:{port}", "--rdzv-id", name, "--restarts", "5"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def logged(folder: Path, name: str) -> int:
    """The last step in a run's log."""
    log = folder / "runs" / name / "metrics.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def wait_for(condition: Any, what: str, seconds: float = 180) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.05)


def learned(folder: Path, name: str) -> tuple[int, str]:
    """(step, hash of everything learned) of a run's newest checkpoint."""
    found, _ = checkpoints.newest(folder / "runs" / name / "checkpoints")
    assert found is not None
    _, table = checkpoints.load(found, World(0, 1, torch.device("cpu")))
    summed = hashlib.sha256()
    for key in sorted(table):
        summed.update(key.encode() + table[key].contiguous().numpy().tobytes())
    return found.step, summed.hexdigest()[:16]


def main(folder: Path) -> bool:
    """Both runs; whether they ended alike."""
    (folder / "recipe.toml").write_text(toml(RECIPE))
    (folder / "slow.py").write_text(SLOW)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    port = free_port()
    calm = [launcher(folder, "calm", port) for _ in range(2)]
    codes = [p.wait(300) for p in calm]
    step, undisturbed = learned(folder, "calm")
    say(f"undisturbed: 2 launchers, {step} steps, exit codes {codes}, hash {undisturbed}")

    port = free_port()
    first = launcher(folder, "killed", port)
    time.sleep(1.0)  # so that the first keeps the meeting place
    second = launcher(folder, "killed", port)
    wait_for(lambda: logged(folder, "killed") >= KILL_AFTER, "the first steps")
    second.send_signal(signal.SIGKILL)  # its worker goes with it
    second.wait()
    say(f"after step {logged(folder, 'killed')}: one launcher is killed with SIGKILL, and its worker with it")
    back = launcher(folder, "killed", port)
    say("it is started again")
    out, _ = first.communicate(timeout=300)
    codes = [first.returncode, back.wait(60)]
    for line in out.splitlines():
        if line.startswith(("warning:", "going on")):
            say(f"the other said: {line}")
    step, disturbed = learned(folder, "killed")
    say(f"end: {step} steps, exit codes {codes}, hash {disturbed}")
    same = disturbed == undisturbed and codes == [0, 0] and step == STEPS
    say("the same weights as undisturbed" if same else f"NOT the same:\n{out}\n{back.stdout.read() if back.stdout else ''}")
    return same


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(0 if main(Path(sys.argv[1] if len(sys.argv) > 1 else scratch)) else 1)
