"""The working half of `inception`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from .image_network import ImageNetwork
from .read_weights import fill, read_weights


def inception(path: Path, official: bool, model: nn.Module | None = None) -> ImageNetwork:
    """torch-fidelity's Inception with the weights of a file.

    torch-fidelity would unpickle whatever the file holds; so it gets bytes that were written here, and the weights are filled
    in afterwards.

    Raises:
        GentoolError: the file is not what it should be.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Hollow(FeatureExtractorInceptionV3):
        """The network before its weights are there."""

        def load_state_dict(self, *args: object, **more: object) -> None:
            """Nothing."""

    tensors, sha = read_weights(path)
    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with torch.random.fork_rng(devices=[]):
        network = Hollow("inception-v3-compat", ["2048", "logits_unbiased"], nothing)
    network.__class__ = FeatureExtractorInceptionV3
    fill(network, tensors, path)
    key = "inception-2015-12-05" if official else f"inception-own-{sha[:8]}"
    return ImageNetwork(key, network, look, model, whole=True)


def look(network: nn.Module, images: Tensor) -> Mapping[str, Tensor]:
    """`features` `[n, 2048]` and `logits` `[n, 1008]`."""
    features, logits = network(images.contiguous())
    return {"features": features, "logits": logits}
