"""A file of tensors by name that somebody else wrote: read as data alone, taken name by name, nothing left over."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gentoolkit.registry import GentoolError


class TensorFile:
    """The tensors of a state dict, in float32 on the CPU, each to be taken once.

    Args:
        path: a file that `torch.save` wrote. It is read with `weights_only=True`, so nothing in it is run.
        prefix: what every name may start with, and loses.

    Raises:
        GentoolError: there is no such file, or it holds anything but finite floating-point tensors by name.
    """

    def __init__(self, path: str | Path, prefix: str = "module.") -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise GentoolError(f"there is no file {path}")
        try:
            with warnings.catch_warnings(action="ignore"):  # torch warns of sparse tensors, which are refused below
                found = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            # What torch says goes on with how to load the file all the same, which would run what it holds.
            raise GentoolError(
                f"{path} cannot be read as plain tensors: it is damaged, no file of torch's, or holds more than tensors. Only "
                "a state dict is taken, as netG_1200.pth: a training state (content.pth) holds Python objects, which loading "
                "would have to run"
            ) from error
        if not isinstance(found, Mapping) or not found:
            raise GentoolError(f"{path} holds no tensors by name, but {type(found).__name__}")
        self.left: dict[str, Tensor] = {}
        for name, value in found.items():
            if not isinstance(name, str) or not isinstance(value, Tensor) or not value.is_floating_point():
                what = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
                raise GentoolError(f"{path} is no state dict of a network: {name!r} is {what}, not a floating-point tensor")
            if not written_out(value):
                raise GentoolError(f"{path} is no state dict of a network: the numbers of {name!r} are not all in the file")
            value = value.float()
            if not bool(value.isfinite().all()):
                raise GentoolError(f"{path}: {name!r} has values that are not finite, as of a training that diverged")
            self.left[name.removeprefix(prefix)] = value
        self.shapes = {name: tuple(value.shape) for name, value in self.left.items()}

    def take(self, name: str, *shape: int) -> Tensor:
        """One tensor.

        Raises:
            GentoolError: it is missing, or has another shape.
        """
        if name not in self.left:
            raise GentoolError(f"{self.path} has no tensor {name}, which a network of this layout needs")
        if self.shapes[name] != shape:
            raise GentoolError(
                f"{self.path}: {name} has shape {self.shapes[name]}; {shape} was expected from the other tensors"
            )
        return self.left.pop(name)

    def done(self) -> None:
        """Nothing may be left: a tensor that has no place would change what the network puts out.

        Raises:
            GentoolError: with what is left.
        """
        if self.left:
            names = list(self.left)
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise GentoolError(
                f"{self.path} holds tensors that have no place in the network its other tensors describe: "
                f"{', '.join(names[:3])}{more}"
            )


def written_out(value: Tensor) -> bool:
    """Whether a tensor has each of its numbers in memory: none that is sparse, without data, or a few numbers repeated, whose
    copy might be of any size."""
    if value.layout is not torch.strided or value.is_meta:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()
