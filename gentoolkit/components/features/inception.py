"""The network of FID: Inception-v3 of 2015, as torch-fidelity has it (Heusel et al. 2017, arXiv:1706.08500; Apache-2.0).

    features  2048, after the last pooling        logits  1008, without bias
Images of any size are resized to 299x299 as TensorFlow 1 did it, which is part of what FID is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Features
from .weight_files import OwnFile, WeightFile

OFFICIAL = WeightFile(
    ("weights-inception-2015-12-05-6726825d.pth",),
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d",
)


@component
class Inception(Features):
    """Inception-v3 of 2015, the network of FID, KID and the Inception score; needs its file of weights."""

    logits: ClassVar[bool] = True

    weights: str | None = opt(None, "a file of other weights for the same network; no number on them is called FID", path=True)

    def weight_files(self) -> tuple[WeightFile | OwnFile, ...]:
        """The file of weights that it needs."""
        return (OFFICIAL if self.weights is None else OwnFile(self.weights),)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """It sees colours."""
        if facts.kind == "image" and facts.shape[0] not in (1, 3):
            yield "use", f"it takes images of 1 or 3 channels, not of {facts.shape[0]}"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The network with its weights."""
        from .inception_network import inception

        return inception(self.weight_files()[0].find(), self.weights is None, parts.get("model"))
