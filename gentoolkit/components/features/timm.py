"""Any network of timm as a feature space: its last layer before the classes.

`vgg16.tv_in1k` gives torchvision's VGG16 after the second fully connected layer. Images are resized to what the network was
trained on, whole, with its own interpolation, and brought to its mean and deviation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Features
from .weight_files import OwnFile, WeightFile


@component
class Timm(Features):
    """The last layer of a network of timm (VGG16, DINOv2, ...); needs its file of weights."""

    model: str = opt("vgg16.tv_in1k", "timm's name of the network with its weights")
    weights: str | None = opt(None, "its file of weights, in timm's layout, if it lies elsewhere", path=True)

    def weight_files(self) -> tuple[WeightFile | OwnFile, ...]:
        """The file of weights that it needs."""
        if self.weights is not None:
            return (OwnFile(self.weights),)
        hub, names = f"timm/{self.model}", (f"{self.model}.safetensors", f"{self.model}.pth")
        return (WeightFile(names, f"model.safetensors of https://huggingface.co/{hub} under that name", hub=hub),)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """It sees colours, and its name is one that a file can have."""
        if facts.kind == "image" and facts.shape[0] not in (1, 3):
            yield "use", f"it takes images of 1 or 3 channels, not of {facts.shape[0]}"
        if "/" in self.model or "\\" in self.model or ":" in self.model:
            yield "model", "timm's own name is wanted, such as vgg16.tv_in1k, no address"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The network with its weights."""
        from .timm_network import timm_features

        return timm_features(self.model, self.weight_files()[0].find(), parts.get("model"))
