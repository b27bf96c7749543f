"""Run by torchrun: every multi-process case of `test_processes.py` in one group of processes.

Usage: worker.py FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).parent))

import tiny
from poison import poisoned

import gentoolkit
from gentoolkit.components.regularizers.slopes import squared_slope
from gentoolkit.engine.guard import Diverged
from gentoolkit.engine.numerics import programs
from gentoolkit.engine.processes.shell import Shell, inside
from gentoolkit.engine.processes.stopping import Stop
from gentoolkit.engine.processes.world import world
from gentoolkit.engine.samples.sample_files import write_samples
from gentoolkit.engine.storage import faults
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError


def penalty(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A loss with a second-order term, as DDGAN's discriminator has."""
    x = x.clone().requires_grad_()
    logits = net(x).squeeze(1)
    return (nn.functional.softplus(-logits) + squared_slope(net, x, logits)).mean()


def second_order(folder: Path) -> None:
    """Gradients of an adversarial loss with R1, and of two nested nets, against one process with the whole batch."""
    torch.manual_seed(0)
    rank = dist.get_rank()
    nets = [nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double() for _ in range(2)]
    x = torch.randn(8, 2, dtype=torch.float64)
    mine = x[rank * 4 : rank * 4 + 4]
    shells = [DistributedDataParallel(Shell(net)) for net in nets]

    def loss(a: nn.Module, b: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return penalty(a, x) + penalty(b, x) + (a(x) * b(x)).mean()

    inside({"a": shells[0], "b": shells[1]}, lambda n: loss(n["a"], n["b"], mine)).backward()
    wrapped = [p.grad.clone() for net in nets for p in net.parameters()]
    for net in nets:
        net.zero_grad()
    loss(nets[0], nets[1], x).backward()
    whole = [p.grad for net in nets for p in net.parameters()]

    # Why the shell exists: with the net itself wrapped, a second backward is never averaged over processes.
    bare = DistributedDataParallel(nets[0])
    nets[0].zero_grad()
    first, second = bare(mine).mean(), penalty(nets[0], mine)
    first.backward()
    second.backward()
    unreduced = [p.grad.clone() for p in nets[0].parameters()]
    gathered = [torch.empty_like(unreduced[0]) for _ in range(2)]
    dist.all_gather(gathered, unreduced[0])
    if rank == 0:
        torch.save(
            {"wrapped": wrapped, "whole": whole, "bare_differs": float((gathered[0] - gathered[1]).abs().max())},
            folder / "second_order.pt",
        )


def not_finite(folder: Path) -> None:
    """A loss that is not finite on the second process alone, under each way to go on."""

    def fourth_at_first(key: tuple[object, ...]) -> bool:
        return dist.get_rank() == 1 and key[2] == 3 and len(key) == 5

    for how in ("stop", "skip", "rewind"):
        table = tiny.recipe("ddgan-lecam", folder / f"bad-{how}", precision="fp64", non_finite=how, log_every=2)
        with poisoned("ddgan-lecam", "denoiser", fourth_at_first):
            try:
                code = train(table, quiet=True, deep=False).code
            except Diverged as error:
                code = error.exit_code
        assert code == (70 if how == "stop" else 0), (how, code)


def parallelisms(folder: Path) -> None:
    """Runs under ddp and fsdp, straight and broken off after three steps; one that changes from one to the other."""

    def run(method: str, name: str, **training: Any) -> None:
        table = tiny.recipe(method, folder / name, checkpoint_every=100, **training)  # one at the end alone
        train(table, quiet=True, deep=False)

    for method in ("ddgan", "cvae", "ddpm"):
        for parallel in ("ddp", "fsdp"):
            name = f"{method}-{parallel}"
            run(method, f"{name}-straight", parallel=parallel, clip=0.5)
            run(method, f"{name}-broken", parallel=parallel, clip=0.5, steps=3)
            run(method, f"{name}-broken", parallel=parallel, clip=0.5)
        run(method, f"{method}-2-fsdp", precision="fp64", parallel="fsdp", micro_batch=2)
    for steps, parallel in ((2, "ddp"), (4, "fsdp"), (6, "ddp")):
        run("ddgan", "changed", precision="fp64", parallel=parallel, steps=steps)


def checked_once(folder: Path) -> None:
    """The deep check is the first process's; what it finds ends all, and one of them says it."""
    from unittest import mock

    from gentoolkit.engine import train as training
    from gentoolkit.registry import GentoolError

    checked: list[object] = []

    def refuse(loaded: object) -> None:
        checked.append(loaded)
        raise GentoolError("it does not fit")

    ended: BaseException | None = None
    with mock.patch.object(training, "deep_check", refuse):
        try:
            train(tiny.recipe("ddpm", folder / "misfit"), quiet=True)
        except (GentoolError, SystemExit) as error:
            ended = error
    first = dist.get_rank() == 0
    assert len(checked) == int(first)
    assert isinstance(ended, GentoolError if first else SystemExit), ended


def stop_soon() -> None:
    """Send this process a SIGTERM some steps after the loop has begun to listen for one."""
    while signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)


def touch_soon(folder: Path) -> None:
    """Make the file STOP some steps after the loop has begun to write its log."""
    log = folder / "metrics.jsonl"
    while not (log.exists() and log.read_text()):
        time.sleep(0.01)
    (folder / "STOP").touch()


def shared(run: Path) -> None:
    """Two processes draw pictures while they train, samples into a file and what metrics look at; the run is that of
    `tiny.watched`."""
    pictures: list[torch.Tensor] = []
    tiny.keep_pictures(pictures)
    train(tiny.watched(run), quiet=True)
    assert len(pictures) == (3 if dist.get_rank() == 0 else 0), "observers are called by the first process alone"
    if dist.get_rank() == 0:
        torch.save(pictures, run / "pictures.pt")
    assert write_samples(gentoolkit.load(run), 45, run / "samples.npz", seed=3)
    (result,) = gentoolkit.evaluate(run, ["mixture"], seed=1)
    assert "/43/" in result.protocol, "every process has the numbers"
    with world() as here, Stop(here) as stop:
        seen = tiny.chunks_seen(gentoolkit.load(run), here, stop)
    if here.first:
        torch.save(seen, run / "seen.pt")


def main(folder: Path) -> None:
    """All cases."""
    dist.init_process_group("gloo")
    second_order(folder)
    parallelisms(folder)
    for method in tiny.METHODS:
        train(tiny.recipe(method, folder / f"{method}-2", precision="fp64"), quiet=True)
        train(tiny.recipe(method, folder / f"{method}-2-micro", precision="fp64", micro_batch=2), quiet=True)
    train(tiny.recipe("ddgan", folder / "resumed", precision="fp64"), quiet=True)  # begun by one process
    train(tiny.tuned(folder / "tuned", folder / "source", steps=4), quiet=True)
    train(tiny.tuned(folder / "tuned", folder / "source"), quiet=True)
    train(tiny.tuned(folder / "tuned-fsdp", folder / "source", parallel="fsdp"), quiet=True)

    programs.BACKEND = "aot_eager"
    train(tiny.recipe("ddgan", folder / "compiled", precision="fp64", compile="all", micro_batch=2), quiet=True)
    train(tiny.recipe("ddpm", folder / "compiled-fsdp", parallel="fsdp", compile="auto", steps=2), quiet=True)
    said = ""
    try:
        train(tiny.recipe("ddpm", folder / "refused", parallel="fsdp", compile="all", steps=2), quiet=True)
    except GentoolError as error:
        said = str(error)
    assert "its weights lie in shards" in said

    shared(folder / "shared")
    not_finite(folder)
    checked_once(folder)

    # One process finds its disk full while both write in the background; both must say so, after the same step.
    faults.arm("fail:shard:3" if dist.get_rank() == 1 else "")
    try:
        train(tiny.recipe("ddpm", folder / "full", steps=100_000, log_every=100_000), quiet=True)
    except GentoolError as error:
        told: list[str] = [""] * 2
        dist.all_gather_object(told, str(error))
    faults.arm("")
    if dist.get_rank() == 0:
        (folder / "full.json").write_text(json.dumps(told))

    # One process is told to stop; both must leave after the same step.
    if dist.get_rank() == 1:
        threading.Thread(target=stop_soon, daemon=True).start()
    long = tiny.recipe("ddpm", folder / "stopped", steps=100_000, checkpoint_every=100_000, log_every=1000)
    outcome = train(long, quiet=True)
    steps = [torch.zeros(1, dtype=torch.int64) for _ in range(2)]
    dist.all_gather(steps, torch.tensor([outcome.step]))
    assert outcome.code == 75, outcome
    assert steps[0] == steps[1], steps
    dist.barrier()
    if dist.get_rank() == 0:
        (folder / "stopped.txt").write_text(f"{outcome.step} {outcome.why}")

    # One process makes the file that asks for a stop: only the first one looks for it, and both leave after the same step.
    if dist.get_rank() == 1:
        threading.Thread(target=touch_soon, args=(folder / "filed",), daemon=True).start()
    long["run"]["folder"] = str(folder / "filed")
    outcome = train(long, quiet=True)
    dist.all_gather(steps, torch.tensor([outcome.step]))
    assert (outcome.code, outcome.why) == (75, "the file STOP was there")
    assert steps[0] == steps[1], steps
    assert not (folder / "filed" / "STOP").exists()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
