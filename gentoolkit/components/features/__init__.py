"""Features: spaces in which samples are compared, such as a network's last layer or the pixels themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Features(Component):
    """`build` returns an object with `key: str` and `__call__(samples) -> {name: float32 ndarray [n, d]}`.

    `samples` are uint8 `[n, C, H, W]` where the data are images, float `[n, D]` where they are points, on whatever device.
    `features` is always among the names; a classifier has `logits`, too. A row depends on its sample alone, up to rounding, and
    nothing of the samples or of the network changes.

    `key` says everything that a number depends on: the network, the sha256 of its weights, how images are resized. Metrics
    whose features have one key share one extraction, and numbers of different keys are never compared.
    """

    slot: ClassVar[str] = "features"

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    """Data that it takes."""
    logits: ClassVar[bool] = False
    """Whether it is a classifier, which gives `logits` too."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The kind of data against what it takes."""
        if facts.kind not in self.kinds:
            yield "use", f"it takes {' and '.join(self.kinds)}; data '{facts.data}' gives {facts.kind}", 'features = "pixels"'
