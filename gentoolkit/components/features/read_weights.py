"""Reading a file of weights as data alone: safetensors, or what `torch.save` wrote with `weights_only=True` and no fallback."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from gentoolkit.registry import GentoolError


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], str]:
    """(tensors by name, sha256 of the very bytes they were read from).

    Raises:
        GentoolError: it cannot be read, would run code, or holds anything but finite tensors by name.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise GentoolError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if str(path).endswith(".safetensors"):
            from safetensors.torch import load

            found = load(content)
        else:
            with warnings.catch_warnings(action="ignore"):
                found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        # What torch says goes on with how to load the file all the same, which would run what it holds.
        raise GentoolError(
            f"{path} cannot be read as plain weights: it is damaged, or holds more than tensors, which loading would have to "
            "run; nothing of it was. Save the network's state_dict, best as .safetensors"
        ) from error
    if not isinstance(found, Mapping) or not found:
        raise GentoolError(f"{path} holds no tensors by name, but {type(found).__name__}")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_meta:
            raise GentoolError(f"{path} is no state dict of a network: {name!r} is {type(value).__name__}, no plain tensor")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise GentoolError(f"{path} is no state dict of a network: the numbers of {name!r} are not all in the file")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise GentoolError(f"{path}: {name!r} has values that are not finite")
    return dict(found), sha256(content).hexdigest()


def fill(network: torch.nn.Module, tensors: Mapping[str, Tensor], path: str | Path, ignore: tuple[str, ...] = ()) -> None:
    """Give a network its weights, all of them, and leave none over but those whose names begin with one of `ignore`.

    Raises:
        GentoolError: they are not this network's.
    """
    wanted = network.state_dict()
    counters = {
        name for name in wanted if name.endswith("num_batches_tracked")
    }  # old files have none, and nothing depends on it
    missing = sorted(wanted.keys() - tensors.keys() - counters)
    strange = sorted(n for n in tensors.keys() - wanted.keys() if not n.startswith(ignore or ("\0",)))
    shapes = [n for n in wanted.keys() & tensors.keys() if wanted[n].shape != tensors[n].shape]
    for said, names in (("lacks", missing), ("has no place for", strange), ("has other shapes of", sorted(shapes))):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            what = f"the network {said}" if said == "has no place for" else f"the file {said}"
            raise GentoolError(f"{path} is not of this network: {what} {', '.join(names[:3])}{more}")
    network.load_state_dict({n: v for n, v in tensors.items() if n in wanted}, strict=False)
