"""What everything around the training steps costs: checkpoints, pictures, log and observers, against the bare loop, in one run.

    python benchmarks/cost.py                     recipe ddgan_cifar10 at width 32, batch 4: about 7 minutes on 2 idle cores
    python benchmarks/cost.py --blocks 5 --batch 8

Two runs of the same recipe take turns, so that a change of the machine meets both: one logs, saves and draws pictures as
asked and has all observers, the other has none and writes nothing. A block is as many steps as lie between two checkpoints and
begins between two of them, so that what is written in the background is written in the block that caused it. Of the
pictures, drawing the samples themselves does not count, as it is what one asks for; all else does. CPU seconds are shown
beside wall time: on a machine that others use they tell more (those of the service that `wandb` starts are not in them).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait must sleep, or their spinning counts as work

import argparse
import statistics
import tempfile
import threading
import time
import zipfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import evolve
from PIL import Image

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Batch
from gentoolkit.engine import train as training
from gentoolkit.engine.loop import Loop
from gentoolkit.engine.processes.stopping import Stop
from gentoolkit.engine.storage.saver import Saver

IMAGES = 2000
NAMES = ("bare", "full")


class Turns:
    """Lets one of two threads run at a time, and keeps what each block of each took."""

    def __init__(self, every: int, blocks: int) -> None:
        self.every, self.blocks = every, blocks
        self.turn, self.changed = NAMES[0], threading.Condition()
        self.seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
        self.sampling = (0.0, 0.0)
        self._since = (0.0, 0.0)

    @property
    def last(self) -> int:
        """The step at whose begin the last block ends."""
        return self.every // 2 + self.blocks * self.every

    def wait(self, name: str) -> None:
        """Until it is this one's turn."""
        with self.changed:
            self.changed.wait_for(lambda: self.turn in (name, "both"))
        self._since, self.sampling = now(), (0.0, 0.0)

    def at(self, name: str, step: int) -> None:
        """Before a step: at the end of a block, note what it took and let the other one run."""
        if step % self.every != self.every // 2 or step > self.last:
            return
        wall, cpu = (a - b - c for a, b, c in zip(now(), self._since, self.sampling, strict=True))
        if step > self.every // 2:  # the half block before warms up
            self.seconds[name].append((wall, cpu))
            print(f"{name}  steps {step - self.every}..{step}  {wall:6.1f} s  {cpu:6.1f} CPU-s", flush=True)
        with self.changed:
            self.turn = "both" if step == self.last and name == NAMES[-1] else NAMES[1 - NAMES.index(name)]
            self.changed.notify_all()
        self.wait(name)


def now() -> tuple[float, float]:
    """(wall, CPU) seconds."""
    return time.perf_counter(), time.process_time()


def paced(turns: Turns, stalls: dict[bool, list[float]]) -> type[Loop]:
    """A loop that takes turns; the one that saves ends with saves in the loop and in the background, one after the other."""

    class Paced(Loop):
        def take(self, step: int, drawn: list[Batch]) -> None:
            name = self.folder.name
            if step == 0:
                turns.wait(name)
            turns.at(name, step)
            super().take(step, drawn)
            if name == "full" and step == turns.last:
                measure_stalls(self, stalls)

        def samples(self, n: int, stop: Stop) -> torch.Tensor | None:
            started = now()
            drawn = super().samples(n, stop)
            turns.sampling = tuple(a + b - c for a, b, c in zip(turns.sampling, now(), started, strict=True))  # type: ignore[assignment]
            return drawn

    return Paced


def measure_stalls(loop: Loop, stalls: dict[bool, list[float]], saves: int = 5) -> None:
    """How long a save holds the loop up, written there and in the background."""
    loop.saver.wait()
    savers = {
        back: Saver(loop.saver.store, loop.world, evolve(loop.recipe.training, async_checkpoints=back), {})
        for back in (False, True)
    }
    for number in range(saves + 1):
        for back, saver in savers.items():
            started = time.perf_counter()
            saver.begin(10**6 + 2 * number + back, loop.table(), {"not_finite": loop.guard.state()})
            if number:  # the first one allocates the copy
                stalls[back].append(time.perf_counter() - started)
            saver.wait()
    for saver in savers.values():
        saver.close()


def recipe(name: str, folder: Path, options: Any, turns: Turns) -> recipes.Recipe:
    """That of one of the two runs."""
    never = 10**9
    full = name == "full"
    said = {
        "model.denoiser.width": options.width,
        "method.discriminator.width": options.width,
        "training.batch_size": options.batch,
        "training.steps": turns.last + 1,
        "training.workers": 1,
        "training.checkpoint_every": options.every if full else never,
        "training.log_every": options.log_every if full else never,
        "data.source": folder / "images.zip",
        "run.folder": folder / name,
    }
    observers = {"grid.every": options.every, "loss_per_step.every": options.every, "events": "tensorboard"}
    if find_spec("wandb") is not None:
        observers |= {"service": "wandb", "service.mode": "offline"}
    if full:
        said |= {f"observers.{key}": value for key, value in observers.items()}
    made = recipes.load("ddgan_cifar10", [f"{key}={value}" for key, value in said.items()]).recipe
    return made if full else evolve(made, observers={})


def write_images(path: Path) -> None:
    """A zip of smooth coloured noise, 32x32."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(IMAGES):
            rough = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            buffer = BytesIO()
            rough.resize((32, 32), Image.Resampling.BICUBIC).save(buffer, format="PNG")
            archive.writestr(f"{i % 10}/{i:05d}.png", buffer.getvalue())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints and pictures, even")
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=3)
    options = parser.parse_args()
    turns, stalls = Turns(options.every, options.blocks), {False: [], True: []}
    training.Loop = paced(turns, stalls)  # type: ignore[misc]
    errors: list[BaseException] = []

    def run(name: str, folder: Path) -> None:
        try:
            training.train(recipe(name, folder, options, turns), quiet=True, deep=False)
        except BaseException as error:
            errors.append(error)
            with turns.changed:
                turns.turn = "both"
                turns.changed.notify_all()

    with tempfile.TemporaryDirectory() as scratch:
        write_images(Path(scratch) / "images.zip")
        threads = [threading.Thread(target=run, args=(name, Path(scratch))) for name in NAMES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    show(turns, stalls, options)


def show(turns: Turns, stalls: dict[bool, list[float]], options: Any) -> None:
    """The tables."""
    print(
        f"\nddgan_cifar10, width {options.width}, batch {options.batch}: checkpoint and picture after {options.every} steps,"
        f" a line every {options.log_every}; torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print("| | wall seconds per step | CPU seconds per step |\n|---|---|---|")
    medians = {}
    for name, blocks in turns.seconds.items():
        medians[name] = [statistics.median(column) / options.every for column in zip(*blocks, strict=True)]
        print(f"| {name} | {medians[name][0]:.4f} | {medians[name][1]:.4f} |")
    wall, cpu = (full / bare - 1 for full, bare in zip(medians["full"], medians["bare"], strict=True))
    print(f"| all of it costs | {wall:+.1%} | {cpu:+.1%} |\n")
    inside, beside = statistics.median(stalls[False]), statistics.median(stalls[True])
    print(f"a save stalls the loop for {inside:.3f} s, one in the background for {beside:.3f} s: {beside / inside:.0%} of it")


if __name__ == "__main__":
    main()
