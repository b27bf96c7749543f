"""Classes that samples fall into, by a classifier trained on the real data (Metz et al. 2017; StackedMNIST in DDGAN, Tab. 4).

    kl = Σ_k h_k ln(h_k / p_k),   h_k the share of samples of class k, p_k that of the data

Where the data has three channels and 1000 classes, y = 100 r + 10 g + b, each channel is classified by itself, and p_k is
the product of the channels' shares. A network that was trained on digits alone is often sure of what is none: with a
`classifier` look at `kl` and at quality, too; the one that is trained without it is unsure far from the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric


@component
class Modes(Metric):
    """Classes covered by samples of small labelled images, as a classifier sees them: digits, stacked digits."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    better: ClassVar[Mapping[str, str]] = {"classified": "higher", "modes": "higher", "kl": "lower"}

    samples: int = opt(10_000, "samples that are judged", ge=1)
    confidence: float = opt(0.9, "probability above which a sample counts as classified", gt=0, lt=1)
    train: int = opt(10_000, "real images that the classifier sees at most, a fifth of them held out", ge=100)
    classifier: str | None = opt(
        None,
        "file of `gentool classifier`, one judge for all runs; unless given, one is trained on the data",
        path=True,
    )

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The data must have labels."""
        if facts.labels is None or facts.labels < 2:
            yield "use", f"data '{facts.data}' has no labels to train a classifier with"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The counters; the classifier is read, or trained by `prepare`."""
        from .class_counts import ClassCounts

        assert facts.labels is not None
        return ClassCounts(facts.shape, facts.labels, facts.data, self.confidence, self.train, self.classifier)
