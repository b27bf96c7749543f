"""A small convolutional classifier that was trained once and lies in a file, so that all runs are judged by the same eyes.

    3 x (convolution 3 x 3, batch norm, ReLU, mean over 2 x 2), features averaged over a 3 x 3 grid, one linear layer

The file is safetensors; its metadata say shape, classes, data and the accuracy on images that it did not learn from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import asdict, frozen
from numpy.typing import NDArray
from torch import Tensor, nn

from gentoolkit.components.features.read_weights import fill, read_weights
from gentoolkit.registry import GentoolError

ABOUT = "gentoolkit-classifier"
VERSION = 1
SIDES = range(8, 65)
"""Sides of images that are small."""
WIDTHS = (16, 32, 64)
BLOCK = 512


@frozen
class About:
    """What is known of a classifier besides its weights."""

    shape: tuple[int, int, int]
    classes: int
    data: str
    """Name and fingerprint."""
    accuracy: float
    """Share of right answers on the held-out images."""
    held_out: int
    version: int = VERSION


class Network(nn.Sequential):
    """Logits `[n, classes]` of images `[n, C, H, W]` in [0, 1]."""

    def __init__(self, channels: int, classes: int) -> None:
        layers: list[nn.Module] = []
        for a, b in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * WIDTHS[-1], classes))


class TrainedClassifier:
    """The classifier of a file.

    Args:
        path: what `gentool classifier` wrote.
        shape: (C, H, W) of the images that it is shown.
        classes: classes that they may be of.

    Raises:
        GentoolError: it cannot be read as plain weights, or is of other images.
    """

    def __init__(self, path: str | Path, shape: tuple[int, ...], classes: int) -> None:
        if not Path(path).is_file():
            raise GentoolError(f"there is no file {path}; make it with: gentool classifier mnist source=FOLDER -o {path}")
        if Path(path).suffix != ".safetensors":
            raise GentoolError(f"{path} is no classifier: those of `gentool classifier` end in .safetensors")
        tensors, sha256 = read_weights(path)
        self.about = about(path)
        if self.about.shape != tuple(shape):
            raise GentoolError(
                f"{path} judges images of shape {said(self.about.shape)}; these are judged as {said(shape)}. Train one on "
                f"images of this size"
            )
        if self.about.classes != classes:
            raise GentoolError(f"{path} knows {self.about.classes} classes; the data have {classes}")
        self.shape, self.accuracy = tuple(shape), self.about.accuracy
        self.name = f"cnn-{VERSION}-{sha256[:8]}"
        self._network = Network(shape[0], classes)
        fill(self._network, tensors, path)
        self._network.eval().requires_grad_(False)

    def __call__(self, images: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(class, its probability) of images `[n, d]` in [0, 1]."""
        x = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)).reshape(-1, *self.shape)
        p = torch.cat([self._network(block) for block in x.split(BLOCK)]).double().softmax(1)
        found = p.max(1)
        return found.indices.numpy(), found.values.numpy()


def said(shape: tuple[int, ...]) -> str:
    """A shape as people write it."""
    return "x".join(map(str, shape))


def about(path: str | Path) -> About:
    """What a file of a classifier says of itself.

    Raises:
        GentoolError: nothing, or nothing that makes sense.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})[ABOUT])
        c, h, w = (int(side) for side in told["shape"])
        about_it = str(told["data"]), float(told["accuracy"]), int(told["held_out"]), int(told["version"])
        found = About((c, h, w), int(told["classes"]), *about_it)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise GentoolError(f"{path} is no file of `gentool classifier`: its metadata do not describe one") from error
    if found.version != VERSION:
        raise GentoolError(f"{path} holds a classifier of version {found.version}; this is for {VERSION}: train it anew")
    if not (0 <= found.accuracy <= 1 and c in (1, 3) and h in SIDES and w in SIDES and 2 <= found.classes <= 1000):
        raise GentoolError(f"{path} is no file of `gentool classifier`: its metadata make no sense")
    return found


def write(path: Path, tensors: Mapping[str, Tensor], known: About) -> None:
    """Write a classifier, in full or not at all.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save

    content: Any = save({n: v.contiguous() for n, v in tensors.items()}, metadata={ABOUT: json.dumps(asdict(known))})
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
