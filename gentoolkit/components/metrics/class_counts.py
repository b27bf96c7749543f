"""Counting samples over classes, as a classifier sees them; the formulas are in `modes.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .judge import Judge
from .trained_classifier import TrainedClassifier

PLACES = np.array([100, 10, 1])


class ClassCounts:
    """Counters over classes.

    Args:
        shape: (C, H, W) of a sample.
        classes: number of classes of the data; 1000 with C = 3 are stacked digits.
        data: its name, for the protocol.
        confidence: probability above which a sample counts as classified.
        train: real images that the classifier sees at most.
        classifier: the file of one that is trained already.

    Raises:
        GentoolError: that is no classifier of these images.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, data: str, confidence: float, train: int, classifier: str | None = None
    ) -> None:
        self.stacked = shape[0] == 3 and classes == 1000
        self.classes, self.data, self.confidence, self.train = classes, data, confidence, train
        self.all = np.zeros(classes, np.int64)
        self.sure = np.zeros(classes, np.int64)
        self.judge: Judge | TrainedClassifier | None = None
        if classifier is not None:
            one, known = (1, *shape[1:]) if self.stacked else shape, 10 if self.stacked else classes
            self.judge = TrainedClassifier(classifier, one, known)

    @property
    def protocol(self) -> str:
        """Classifier and its held-out accuracy, data, confidence, number of samples."""
        accuracy = "untrained" if self.judge is None else f"held-out-{self.judge.accuracy:.3f}"
        name = Judge.name if self.judge is None else self.judge.name
        return f"modes/{name}/{accuracy}/{self.data}/over-{self.confidence:g}/{self.all.sum()}"

    def prepare(self, real: Any) -> None:
        """Count the classes of the real data, and train a classifier on its distinct images unless there is one."""
        y = real.labels()
        self.share = self._shares(y)
        self.data = f"{self.data}-{real.fingerprint()[:8]}"
        if self.judge is not None:
            return
        wanted = min(len(real), self.train)
        shuffle = np.random.Generator(np.random.Philox(key=1)).permutation
        items = [real[int(i)] for i in np.sort(shuffle(len(real))[:wanted])]
        images = np.stack([item["x_0"].numpy() for item in items])
        labels = np.array([item["y"] for item in items])
        if self.stacked:
            labels = (labels[:, None] // PLACES % 10).reshape(-1)
        images, first = np.unique(self._flat(images), axis=0, return_index=True)
        kept = np.sort(shuffle(len(images))[: self.train])  # np.unique sorts by brightness: a prefix would be biased
        images, labels = images[kept], labels[first][kept]
        self.judge = Judge((images / 255).astype(np.float32), labels)

    def see(self, samples: Tensor) -> dict[str, NDArray[np.int64]]:
        """Counts of `all` and of the `sure` ones, by class, of samples `[n, C, H, W]` in [-1, 1]."""
        assert self.judge is not None, "prepare(real) comes first"
        pixels = (samples.detach().cpu().float().nan_to_num(0).clamp(-1, 1) / 2 + 0.5).numpy()
        found, probability = self.judge(self._flat(pixels))
        if self.stacked:
            found, probability = found.reshape(-1, 3) @ PLACES, probability.reshape(-1, 3).min(1)
        sure = found[probability > self.confidence]
        return {name: np.bincount(y, minlength=self.classes) for name, y in (("all", found), ("sure", sure))}

    def add(self, seen: Mapping[str, NDArray[np.int64]]) -> None:
        """Take in a chunk's counts."""
        self.all += seen["all"]
        self.sure += seen["sure"]

    def compute(self) -> dict[str, float]:
        """`classified`: share of confident samples; `modes`: classes with at least one of them; `kl` in nats, over all."""
        n = max(int(self.all.sum()), 1)
        h = self.all[self.all > 0] / n
        kl = float(np.sum(h * np.log(h / self.share[self.all > 0])))
        return {"classified": int(self.sure.sum()) / n, "modes": int((self.sure > 0).sum()), "kl": max(kl, 0.0)}

    def _flat(self, images: NDArray[Any]) -> NDArray[Any]:
        return images.reshape(len(images) * 3 if self.stacked else len(images), -1)

    def _shares(self, y: NDArray[np.int64]) -> NDArray[np.float64]:
        if not self.stacked:
            return np.bincount(y, minlength=self.classes) / len(y)
        r, g, b = (np.bincount(y // place % 10, minlength=10) / len(y) for place in PLACES)
        together: NDArray[np.float64] = np.einsum("i,j,k->ijk", r, g, b)
        return together.reshape(-1)
