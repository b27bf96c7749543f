"""Images per second out of a folder of 256-px JPEGs and out of the same images packed, beside bare Pillow, in one run.

python benchmarks/decode.py [--flip]

Bare Pillow: two processes, each with a loop that opens, decodes and turns into an array, and does nothing else. The feed:
batches of 64 as training gets them, from two data workers, up to the uint8 batch in the training process. All take turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from gentoolkit.components.data.image_folder import ImageFolder
from gentoolkit.components.data.packed import Packed
from gentoolkit.components.data.packing import pack
from gentoolkit.engine.feed import Feed
from gentoolkit.engine.processes.world import world
from gentoolkit.recipe import load
from gentoolkit.registry import Facts

SIDE, IMAGES, WORKERS, BATCH, ROUNDS = 256, 1536, 2, 64, 31
PARTS = 3
"""A round takes every third image."""
WARM_UP = 2 * WORKERS + 2


def make(folder: Path) -> None:
    """Crops of two photographs, as JPEGs of quality 90."""
    whole = [Image.fromarray(picture) for picture in load_sample_images().images]
    for i in range(IMAGES):
        picture = whole[i % 2]
        x, y = 7 * i % (picture.width - SIDE), 11 * i % (picture.height - SIDE)
        picture.crop((x, y, x + SIDE, y + SIDE)).save(folder / f"{i:05d}.jpg", quality=90)


def bare(paths: list[Path], rounds: int, start: Barrier, end: Barrier) -> None:
    """One process of bare Pillow."""
    for k in range(rounds):
        start.wait()
        for path in paths[k % PARTS :: PARTS]:
            with Image.open(path) as image:
                np.asarray(image.convert("RGB"))
        end.wait()


class Bare:
    """Two processes of bare Pillow, started before anything is measured."""

    def __init__(self, paths: list[Path]) -> None:
        fork = multiprocessing.get_context("fork")
        self.start, self.end = fork.Barrier(WORKERS + 1), fork.Barrier(WORKERS + 1)
        self.images = len(paths) // PARTS
        for k in range(WORKERS):
            part = paths[k::WORKERS]
            fork.Process(target=bare, args=(part, ROUNDS, self.start, self.end), daemon=True).start()

    def rate(self) -> float:
        """Images per second of both together, over a part of the folder."""
        self.start.wait()
        began = time.perf_counter()
        self.end.wait()
        return self.images / (time.perf_counter() - began)


class Fed:
    """A feed of two workers over a source, kept open between the rounds."""

    def __init__(self, data: ImageFolder | Packed) -> None:
        settings = {"batch_size": BATCH, "workers": WORKERS, "device": "cpu"}
        recipe = load("digits/ddgan", [f"training.{k}={v}" for k, v in settings.items()]).recipe
        facts = Facts().with_(data.offer(Facts()))
        self._here = world("cpu")
        source = data.build(facts, {})
        self.feed = Feed(source, recipe, facts, self._here.__enter__(), 1, 0, torch.float32)

    def rate(self, images: int) -> float:
        """Images per second over so many, after a few batches that fill the queue."""
        for _ in range(WARM_UP):
            self.feed.take()
        batches = images // BATCH
        began = time.perf_counter()
        for _ in range(batches):
            self.feed.take()
        return batches * BATCH / (time.perf_counter() - began)


def main() -> None:
    """Print the rates, and each as a share of bare Pillow's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flip", action="store_true", help="mirror at random")
    flip = parser.parse_args().flip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        make(folder)
        paths = sorted(folder.iterdir())
        pack(str(folder), Path(name) / "packed.zip")
        plain = Bare(paths)
        jpegs = Fed(ImageFolder(source=str(folder), size=SIDE, flip=flip))
        packed = Fed(Packed(source=f"{name}/packed.zip", size=SIDE, flip=flip))
        rates: dict[str, list[float]] = {"bare Pillow": [], "folder of JPEGs": [], "packed": []}
        for _ in range(ROUNDS):
            rates["bare Pillow"].append(plain.rate())
            rates["folder of JPEGs"].append(jpegs.rate(IMAGES // PARTS))
            rates["packed"].append(packed.rate(2 * IMAGES))
    print(f"| {SIDE} px, {WORKERS} processes | median of {ROUNDS}, img/s | best, img/s | over bare Pillow, median |")
    print("|---|---|---|---|")
    for case, found in rates.items():
        share = statistics.median(mine / bare for mine, bare in zip(found, rates["bare Pillow"], strict=True))
        print(f"| {case} | {statistics.median(found):.0f} | {max(found):.0f} | {share:.2f} |")
    ratio = statistics.median(p / j for p, j in zip(rates["packed"], rates["folder of JPEGs"], strict=True))
    print(f"\npacked over folder of JPEGs: {ratio:.1f}")


if __name__ == "__main__":
    main()
