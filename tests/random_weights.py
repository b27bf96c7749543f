"""Files of random weights for feature networks, each made once per test process."""

from __future__ import annotations

import atexit
import io
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

import torch
from torch import nn


@cache
def folder() -> Path:
    """A folder that goes when the tests end."""
    made = tempfile.TemporaryDirectory()
    atexit.register(made.cleanup)
    return Path(made.name)


@cache
def inception_file() -> Path:
    """Random weights of FID's Inception: He's variance, so that signals neither vanish nor grow."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"), torch.random.fork_rng():
        torch.manual_seed(0)
        empty = io.BytesIO()
        torch.save({}, empty)
        empty.seek(0)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], empty)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        network.fc.weight.mul_(20)  # so that it is sure of some classes
    path = folder() / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@cache
def timm_file(model: str) -> Path:
    """Random weights of a network of timm, with its classes."""
    import timm
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(model, pretrained=False)
    path = folder() / f"{model}.safetensors"
    save_file(network.state_dict(), path)
    return path
