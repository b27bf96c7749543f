"""Checkpoints of a run while it goes on: the tensors are copied, the loop goes on, and a thread writes and commits the copy.

    saver.begin(step, table)        copies; waits only for a save that is still under way
    saver.finished()                what was committed since the last call, without waiting
    saver.wait()                    until nothing is under way

Weights change in place while the copy is written, so nothing but the copy is touched by the thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from gentoolkit.recipe.tree import Training

from ..processes.world import World
from .checkpoints import Checkpoint
from .retention import prune
from .store import Store
from .writing import write


class Saver:
    """The checkpoints that one run writes; at most one is under way.

    Args:
        store: where they lie.
        world: this process.
        training: `keep`, `keep_every` and `async_checkpoints`.
        about: what every commit records.
    """

    def __init__(self, store: Store, world: World, training: Training, about: Mapping[str, Any]) -> None:
        self.store, self.world, self.training, self.about = store, world, training, dict(about)
        self.protected: set[int] = set()
        """Steps whose checkpoints are never deleted."""
        # Its own group: a collective of the thread must not meet one of the loop's.
        self._group = dist.new_group(backend="gloo") if world.size > 1 else None
        self._thread = ThreadPoolExecutor(1, "gentool-save")
        self._under_way: Future[Checkpoint] | None = None
        self._committed: list[Checkpoint] = []
        self._copy: dict[str, Tensor] = {}

    def begin(self, step: int, table: Mapping[str, Tensor], more: Mapping[str, Any]) -> None:
        """Save `table` as the state after `step` steps, with `more` in its commit; every process calls it with the same names.

        Raises:
            GentoolError: this save or the one before could not be written.
        """
        self.wait()
        more = {**more, "protected": sorted(self.protected)}
        if self.training.async_checkpoints:
            self._copy = copied(table, self._copy)
            self._under_way = self._thread.submit(self._save, step, dict(self._copy), more)
        else:
            self._committed.append(self._save(step, table, more))

    def finished(self) -> list[Checkpoint]:
        """The checkpoints that were committed since this was last asked; waits for nothing and says nothing of a failure."""
        if self._under_way is not None and self._under_way.done() and not self.failed:
            self.wait()
        done, self._committed = self._committed, []
        return done

    @property
    def failed(self) -> bool:
        """Whether the save under way could not be written, which `wait` and `begin` will raise. Processes come to know of it
        at different steps."""
        under_way = self._under_way
        return under_way is not None and under_way.done() and under_way.exception() is not None

    def wait(self) -> None:
        """Wait until nothing is under way.

        Raises:
            GentoolError: the checkpoint could not be written.
        """
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self._committed.append(under_way.result())

    def close(self) -> None:
        """Let what is under way end; whatever becomes of it is no longer of interest."""
        with suppress(Exception):
            self.wait()
        self._thread.shutdown()

    def _save(self, step: int, table: Mapping[str, Tensor], more: Mapping[str, Any]) -> Checkpoint:
        saved = write(self.store, step, table, self.world, {**self.about, **more}, self._group)
        if self.world.first:
            with suppress(OSError):  # what could not be deleted is tried again after the next save
                prune(self.store, self.training.keep, self.training.keep_every, self.protected)
        return saved


@torch.no_grad()
def copied(table: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a table on the CPU, in the memory of an earlier copy where it fits; of what is sharded, this process's part."""
    copy = {}
    on_device = False
    for name, value in table.items():
        value = value.detach()
        mine = before.get(name)
        if mine is None or not alike(mine, value):
            mine = memory_for(value)
        local(mine).copy_(local(value), non_blocking=True)
        on_device |= value.is_cuda
        copy[name] = mine
    if on_device:
        torch.cuda.synchronize()
    return copy


def alike(mine: Tensor, value: Tensor) -> bool:
    """Whether a tensor can be copied into the memory of another."""
    same_kind = isinstance(mine, DTensor) == isinstance(value, DTensor)
    return same_kind and local(mine).shape == local(value).shape and mine.dtype == value.dtype


def memory_for(value: Tensor) -> Tensor:
    """Memory on the CPU for a tensor: pinned if it lies on a GPU, which makes the copy faster."""
    if isinstance(value, DTensor):
        part: Tensor = value.to("cpu", copy=True)
        return part
    return torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)


def local(value: Tensor) -> Tensor:
    """This process's part of a tensor."""
    part: Tensor = value.to_local() if isinstance(value, DTensor) else value
    return part
