"""How long a checkpoint holds the training up: written in the loop, and written in the background.

    python benchmarks/checkpoints.py                        recipe ddgan_cifar10 at width 32
    python benchmarks/checkpoints.py --width 64 --saves 8 --folder /mnt/disk

The same tensors (networks, averages, Adam's moments) are saved in both ways while the main thread computes, as training does.
The stall is what the loop waits in `begin`. A save in the background also takes part of a core until it is committed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from attrs import evolve

from gentoolkit import recipe as recipes
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.loop import Loop
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.processes.world import World, choose_device
from gentoolkit.engine.processes.wrap import shared
from gentoolkit.engine.storage.saver import Saver
from gentoolkit.engine.storage.store import Store


def state(width: int, device: torch.device, folder: Path) -> tuple[recipes.Loaded, dict[str, torch.Tensor]]:
    """The recipe, and the table of all that its training learns, after a first step of every optimizer."""
    loaded = recipes.load("ddgan_cifar10", [f"model.denoiser.width={width}", "data.source=unused"])
    assembly = assemble(loaded.recipe, loaded.facts, load_reference)
    here = World(0, 1, device)
    parallel = shared("auto", here)
    loop = Loop(loaded.recipe, loaded.facts, assembly, None, None, here, parallel, Store(folder / "unused"), folder)
    for player in loop.players.values():
        for weight in player.weights:
            weight.grad = torch.zeros_like(weight)
        player.optimizer.step()
    return loaded, loop.table()


def work(seconds: float, device: torch.device) -> None:
    """Products of matrices for that long."""
    a = torch.randn(512, 512, device=device)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        a = (a @ a) / 512
        if device.type == "cuda":
            torch.cuda.synchronize()


def measure(
    background: bool, loaded: recipes.Loaded, table: dict[str, torch.Tensor], folder: Path, saves: int
) -> tuple[float, float]:
    """(median seconds that a save stalls the loop, median seconds until it is committed)."""
    device = next(iter(table.values())).device
    training = evolve(loaded.recipe.training, async_checkpoints=background)
    saver = Saver(Store(folder / str(background)), World(0, 1, device), training, {})
    saver.store.reach()
    stalls, whole = [], []
    for step in range(1, saves + 2):
        work(0.2, device)
        started = time.perf_counter()
        saver.begin(step, table, {})
        stalls.append(time.perf_counter() - started)
        while not saver.finished():
            work(0.01, device)
        whole.append(time.perf_counter() - started)
    saver.close()
    return statistics.median(stalls[1:]), statistics.median(whole[1:])  # the first allocates the copy


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--saves", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        loaded, table = state(options.width, device, Path(scratch))
        size = sum(value.nbytes for value in table.values()) / 2**20
        loop = measure(False, loaded, table, Path(scratch), options.saves)
        background = measure(True, loaded, table, Path(scratch), options.saves)
    print(f"ddgan_cifar10, width {options.width}: {len(table)} tensors, {size:,.0f} MiB; {device}, torch {torch.__version__}")
    print(f"| saved | the loop waits | committed after |\n|---|---|---|\n| in the loop | {loop[0]:.3f} s | {loop[1]:.3f} s |")
    print(f"| in the background | {background[0]:.3f} s | {background[1]:.3f} s |")
    print(f"the loop waits {background[0] / loop[0]:.1%} as long")


if __name__ == "__main__":
    main()
