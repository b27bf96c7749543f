"""Which process this is, on which device, and the few things all processes agree on.

One process needs no process group. Several were started by torchrun (or by `--nproc`, which is torchrun): gloo on the CPU,
NCCL on CUDA with a gloo group beside it for flags, so that a stop is agreed without waiting for the device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from attrs import frozen

from gentoolkit.registry import GentoolError

from .srun import adopt


@frozen
class World:
    """This process among all: `rank` of `size`, its device, and the CPU group for flags (None on one process)."""

    rank: int
    size: int
    device: torch.device
    flags: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def slots(self, batch: int) -> tuple[int, int]:
        """The range of global batch slots that belong to this rank."""
        share = batch // self.size
        return self.rank * share, (self.rank + 1) * share

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier(group=self.flags)

    def agree(self, value: int) -> int:
        """The largest of all processes' values."""
        if self.size == 1:
            return value
        flag = torch.tensor([value])
        dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=self.flags)
        return int(flag)

    def told(self, value: Any) -> Any:
        """The first process's value, at all of them."""
        if self.size == 1:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0, group=self.flags)
        return said[0]

    def collected(self, value: Any) -> list[Any]:
        """Every process's value in the order of ranks, at the first process; nothing at the others."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.first else None
        dist.gather_object(value, found, dst=0, group=self.flags)
        return found or []

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor


def choose_device(asked: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        GentoolError: it is none of these, or CUDA was asked for and is not there.
    """
    if asked not in ("auto", "cpu", "cuda"):
        raise GentoolError(f"a device is 'auto', 'cpu' or 'cuda', not {asked!r}")
    if asked == "cuda" and not torch.cuda.is_available():
        raise GentoolError('device "cuda" was asked for, but torch sees no CUDA device here; use "auto" or "cpu"')
    if asked == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def world_size() -> int:
    """The number of processes that torchrun or srun says there are; 1 without them."""
    adopt()
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def world(asked_device: str = "auto") -> Iterator[World]:
    """The world of this process, for as long as the block runs; reads torchrun's environment, and joins a process group
    that is there already."""
    size = world_size()
    device = choose_device(asked_device)
    if size == 1:
        yield World(0, 1, device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=30))
    try:
        yield World(dist.get_rank(), size, device, dist.new_group(backend="gloo"))
    finally:
        if ours:
            dist.destroy_process_group()
