"""The working half of `timm`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gentoolkit.registry import GentoolError

from .image_network import ImageNetwork
from .read_weights import fill, read_weights

INTERPOLATIONS = ("bilinear", "bicubic")


def timm_features(name: str, path: Path, model: nn.Module | None = None) -> ImageNetwork:
    """A network of timm without its classes, with the weights of a file.

    Raises:
        GentoolError: timm knows no such network, or the file is not of it.
    """
    import timm

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3)
        raise GentoolError(f"timm has no network {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    tensors, sha = read_weights(path)
    with torch.random.fork_rng(devices=[]):
        network = timm.create_model(name, pretrained=False, num_classes=0)
    about = network.pretrained_cfg
    classes = about.get("classifier") or ()
    fill(network, tensors, path, tuple(f"{c}." for c in ((classes,) if isinstance(classes, str) else classes)))
    size, way = tuple(about["input_size"][-2:]), about.get("interpolation", "bilinear")
    if way not in INTERPOLATIONS:
        raise GentoolError(f"timm's {name} resizes images by {way!r}; {' and '.join(INTERPOLATIONS)} can be done here")
    mean, std = (torch.tensor(about[k]).view(1, 3, 1, 1) for k in ("mean", "std"))

    def look(network: nn.Module, images: Tensor) -> Mapping[str, Tensor]:
        """`features` `[n, d]`."""
        images = functional.interpolate(images / 255, size, mode=way, antialias=True, align_corners=False).clamp(0, 1)
        return {"features": network((images - mean.to(images)) / std.to(images))}

    return ImageNetwork(f"timm-{name}-{way}-{size[0]}-{sha[:8]}", network, look, model)
