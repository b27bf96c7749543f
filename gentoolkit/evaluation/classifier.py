"""Training the classifier that counts modes, once and for all runs: `gentool classifier`.

gentoolkit.train_classifier({"use": "mnist", "source": "data/mnist", "size": 32}, "mnist.safetensors")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from gentoolkit.components.data import Data
from gentoolkit.components.metrics.trained_classifier import SIDES, About, Network, write
from gentoolkit.engine.assemble import build
from gentoolkit.engine.feed import unchanged
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.recipe.parts import part_from
from gentoolkit.registry import Facts, GentoolError, options

BATCH = 128
RATE = 2e-3
FIFTH = 5


def train_classifier(
    data: Data | Mapping[str, Any],
    out: str | Path,
    epochs: int = 4,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> About:
    """Train a small classifier of small labelled images, on the CPU and without augmentation, and write it.

    Held out is the data's test split where there is one, else every fifth image in a fixed random order.

    Args:
        data: a data component, or its table of a recipe.
        out: the file, `.safetensors`.
        epochs: passes over the images.
        seed: of weights and order.
        progress: called with images done and in all.

    Raises:
        GentoolError: the data have no labels or are no small images, or the file cannot be written.
    """
    target = Path(out)
    if target.suffix != ".safetensors":
        raise GentoolError(f"{out} must end in .safetensors, the format that a classifier is kept in")
    if not target.absolute().parent.is_dir():
        raise GentoolError(f"the folder {target.absolute().parent} does not exist")
    if epochs < 1:
        raise GentoolError(f"epochs is 1 or more, not {epochs}")
    config = data if isinstance(data, Data) else part_from(Data, data)
    facts = Facts().with_(config.offer(Facts()))
    shape, classes = suited(facts)
    real = build(config, facts, {}, load_reference)
    x, y = images_of(real)
    test = held_split(config, facts)
    if test is None:
        order = np.random.Generator(np.random.Philox(key=3)).permutation(len(x))
        held, kept = order[::FIFTH], np.delete(order, np.s_[::FIFTH])
        (x, y), test = (x[kept], y[kept]), (x[held], y[held])
    if len(x) < 2 or not len(test[0]):
        raise GentoolError(f"data '{config.name}' has {len(real)} images, too few to learn from and to hold some out")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(shape[0], classes)
    fit(network, x, y, epochs, seed, progress)
    right = sum(int((network(a).argmax(1) == b).sum()) for a, b in batches(*test, range(len(test[0]))))
    known = About(shape, classes, f"{config.name}-{real.fingerprint()[:8]}", right / len(test[0]), len(test[0]))
    try:
        write(target, network.state_dict(), known)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror}") from error
    return known


def suited(facts: Facts) -> tuple[tuple[int, int, int], int]:
    """(shape, classes) of the data.

    Raises:
        GentoolError: they are not what a small classifier is for.
    """
    if facts.kind != "image" or facts.labels is None or facts.labels < 2:
        raise GentoolError(f"data '{facts.data}' has no images with labels to learn classes from")
    c, h, w = facts.shape
    if c == 3 and facts.labels == 1000:
        raise GentoolError(f"in data '{facts.data}' each channel is judged by itself: take the single digits, such as mnist")
    if h not in SIDES or w not in SIDES:
        raise GentoolError(f"images of {h}x{w} are not what this is for: sides are {SIDES[0]} to {SIDES[-1]}")
    return (c, h, w), facts.labels


def images_of(real: Any) -> tuple[Tensor, NDArray[np.int64]]:
    """All images `[n, C, H, W]`, uint8, and their classes `[n]`."""
    return unchanged(real, np.arange(len(real)))["x_0"], np.asarray(real.labels())


def held_split(config: Data, facts: Facts) -> tuple[Tensor, NDArray[np.int64]] | None:
    """The test split of data that were opened with another; None where there is none."""
    known = options(type(config)).get("split")
    if known is None or "test" not in (known.bounds.choices or ()) or getattr(config, "split") == "test":  # noqa: B009
        return None
    try:
        return images_of(build(evolve(cast(Any, config), split="test"), facts, {}, load_reference))
    except GentoolError:
        return None


def batches(x: Tensor, y: NDArray[np.int64], order: Any) -> Any:
    """(images in [0, 1], classes) in an order, `BATCH` at once."""
    for first in range(0, len(x), BATCH):
        rows = torch.as_tensor(np.asarray(order[first : first + BATCH]))
        yield x[rows].float() / 255, torch.from_numpy(y)[rows]


def fit(
    network: Network, x: Tensor, y: NDArray[np.int64], epochs: int, seed: int, progress: Callable[[int, int], None]
) -> None:
    """Train, the rate falling along half a cosine; the network is left in evaluation mode, without gradients."""
    adam = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
    steps = epochs * -(-len(x) // BATCH)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    done = 0
    for epoch in range(epochs):
        order = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(len(x))
        for images, labels in batches(x, y, order):
            adam.zero_grad()
            cross_entropy(network(images), labels).backward()
            adam.step()
            rate.step()
            done += len(images)
            progress(done, epochs * len(x))
    network.eval().requires_grad_(False)
