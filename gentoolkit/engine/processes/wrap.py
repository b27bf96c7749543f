"""What is laid over a net so that several processes train it together: nothing, DDP, or FSDP2 in one or two dimensions.

What is wrapped is always the net's `Shell`, never the net. A player sees the contract alone (`Wrap`): who is trained, whether
this backward is the last one, and that a net at rest holds nothing beyond its share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map_only

from gentoolkit.recipe.parallelism import Parallelism, parallelism
from gentoolkit.registry import GentoolError

from .blocks import blocks_of
from .shell import Shell
from .world import World

BUFFERS = next(n for n in ("forward_sync_buffers", "broadcast_buffers") if n in signature(DistributedDataParallel).parameters)
"""Whether DDP synchronises buffers in every forward pass, under the name that this torch has for it."""

ROOM = 0.8
"""Share of a device's memory that weights, gradients, optimizer states and averages may take; activations need the rest."""


class Wrap:
    """A net in its shell; on one process, that is all.

    Args:
        net: on its device already.
    """

    whole = True
    """Whether this process can run the net outside its shell."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.shell: nn.Module = Shell(net)

    @cached_property
    def trainable(self) -> list[nn.Parameter]:
        """The weights that may be trained: those that the network did not freeze; first asked for before any update."""
        return [p for p in self.net.parameters() if p.requires_grad]

    def prepare(self, trained: bool, second_order: bool) -> None:
        """Before an update: whether gradients reach the net, and whether gradients of gradients are taken in it."""
        for weight in self.trainable:
            weight.requires_grad_(trained)

    def sharing(self, last: bool) -> AbstractContextManager[Any]:
        """Forward and backward of a micro-batch; gradients are averaged over processes in the `last` alone."""
        return nullcontext()

    def rest(self) -> None:
        """After an update's last backward: what was gathered is freed, and buffers are the first process's."""


class Replicated(Wrap):
    """A net that every process has whole (DDP)."""

    def __init__(self, net: nn.Module, world: World) -> None:
        super().__init__(net)
        ids = [world.device.index] if world.device.type == "cuda" else None
        buffers: dict[str, Any] = {BUFFERS: False}
        self.ddp = DistributedDataParallel(self.shell, device_ids=ids, gradient_as_bucket_view=True, **buffers)
        self.shell = self.ddp
        self.buffers = list(net.buffers())

    def sharing(self, last: bool) -> AbstractContextManager[Any]:
        """As promised."""
        return nullcontext() if last else self.ddp.no_sync()

    def rest(self) -> None:
        """As promised."""
        follow_first(self.buffers)


class Sharded(Wrap):
    """A net of which every process holds a part (FSDP2), gathered block by block where the net names its blocks.

    Args:
        net: on its device already.
        mesh: the processes; of two dimensions, replicas of shards.
        name: of the net, for messages.
    """

    whole = False

    def __init__(self, net: nn.Module, mesh: DeviceMesh, name: str) -> None:
        super().__init__(net)
        for key, weight in net.named_parameters():
            if not weight.dim():
                raise GentoolError(
                    f"weights in shards: {name}.{key} is a single number without a dimension, which cannot be cut; give it the "
                    'shape [1], or train with training.parallel = "ddp"'
                )
        net.to(memory_format=torch.contiguous_format)  # what lies channels-last cannot be cut
        self.shell = OwnOutputs(net)
        self.blocks = blocks_of(net)[::-1]  # inner ones first
        for block in self.blocks:
            if type(block).forward is nn.Module.forward:
                raise GentoolError(
                    f"weights in shards: a network of {name} names a {type(block).__name__} as one of its blocks, which is "
                    "never called; a block is a module that the network calls, so name those in it"
                )
        if (twice := used_outside(net, self.blocks)) is not None:
            raise GentoolError(
                f"weights in shards: {name}.{twice[0]} lies in a block of the network and is {name}.{twice[1]}, too, outside "
                "that block, which is cut by itself; name a block that holds both, or no blocks, or train with "
                'training.parallel = "ddp"'
            )
        for part in (*self.blocks, self.shell):
            fully_shard(part, mesh=mesh)
        self.parts = [m for m in self.shell.modules() if isinstance(m, FSDPModule)]
        self.buffers = list(net.buffers())

    def prepare(self, trained: bool, second_order: bool) -> None:
        """As promised; a gradient of a gradient needs the gathered weights until the last backward is through."""
        self.free()  # what is gathered has flags of its own
        super().prepare(trained, second_order)
        for part in self.parts:
            part.set_reshard_after_backward(not second_order, recurse=False)
        for block in self.blocks:
            block.set_reshard_after_forward(not second_order, recurse=False)  # type: ignore[operator]

    @contextmanager
    def sharing(self, last: bool) -> Iterator[None]:
        """As promised."""
        self.shell.set_requires_gradient_sync(last)  # type: ignore[operator]
        yield

    def rest(self) -> None:
        """As promised."""
        self.free()
        follow_first(self.buffers)

    def free(self) -> None:
        """Hold no more than this process's share."""
        for part in self.parts:
            part.reshard()


def used_outside(net: nn.Module, blocks: list[nn.Module]) -> tuple[str, str] | None:
    """Two names of a weight that one of the blocks and something outside it have in common; None where there is none."""
    names: dict[nn.Parameter, list[str]] = {}
    for name, weight in net.named_parameters(remove_duplicate=False):
        names.setdefault(weight, []).append(name)
    for block in blocks:
        within = {id(module) for module in block.modules()}
        homes = [f"{name}." for name, module in net.named_modules(remove_duplicate=False) if id(module) in within]
        for weight in block.parameters():
            inside = [n for n in names[weight] if f"{n.rpartition('.')[0]}." in homes]
            if outside := [n for n in names[weight] if n not in inside]:
                return inside[0], outside[0]
    return None


class OwnOutputs(Shell):
    """A shell whose results are no views: FSDP hangs a hook on them that a view may lose."""

    def forward(self, fn: Any) -> Any:
        """Run `fn` on the net."""
        return tree_map_only(Tensor, lambda t: t.clone() if t._base is not None else t, super().forward(fn))


def follow_first(buffers: list[Tensor]) -> None:
    """Give every process the first one's values; most networks have no buffers."""
    for buffer in buffers:
        torch.distributed.broadcast(buffer, src=0)


def mesh_of(parallel: Parallelism, device: torch.device) -> DeviceMesh | None:
    """The processes as a line, or as replicas of shards; None where nothing is sharded."""
    if parallel.kind == "fsdp":
        return init_device_mesh(device.type, (parallel.shards,), mesh_dim_names=("shard",))
    if parallel.kind == "hsdp":
        return init_device_mesh(device.type, (parallel.replicas, parallel.shards), mesh_dim_names=("replicate", "shard"))
    return None


def wrap(name: str, net: nn.Module, world: World, parallel: Parallelism, mesh: DeviceMesh | None) -> Wrap:
    """`net`, which is on its device, as `parallel` says."""
    if mesh is not None:
        return Sharded(net, mesh, name)
    return Replicated(net, world) if parallel.kind == "ddp" else Wrap(net)


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor, sharing its memory."""
    return tensor.detach().to_local() if isinstance(tensor, DTensor) else tensor


def shares_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of what this process holds of a module's state; tensors under two names stay one."""
    state = module.state_dict(keep_vars=True)
    copies = {id(value): value.detach().clone() for value in state.values()}
    return {name: copies[id(value)] for name, value in state.items()}


def total_norm(tensors: list[Tensor]) -> Tensor:
    """The 2-norm of all entries of all tensors, of those in shards over all shards; the same on every process."""
    norm = torch.nn.utils.get_total_norm([local(t) for t in tensors])
    mesh = next((t.device_mesh for t in tensors if isinstance(t, DTensor)), None)
    if mesh is None:
        return norm
    square = norm.double().square()
    torch.distributed.all_reduce(square, group=mesh.get_group(mesh.ndim - 1))
    return square.sqrt().to(norm.dtype)


def clip(tensors: list[Tensor], largest: float, norm: Tensor) -> None:
    """Scale all tensors, whose norm is `norm`, in place, so that it is at most `largest`."""
    torch._foreach_mul_([local(t) for t in tensors], (largest / (norm + 1e-6)).clamp(max=1))


def shared(said: str, world: World, whole: int = 0, memory: int | None = None) -> Parallelism:
    """What `training.parallel` means for the processes that there are.

    Args:
        said: what the recipe says.
        world: this process; all must call it.
        whole: bytes of weights, gradients, optimizer states and averages, if each process had all of them.
        memory: of this process's device, bytes; None where that is no limit.

    Raises:
        GentoolError: it is meant for another number of them.
    """
    try:
        found = parallelism(said, world.size)
    except ValueError as error:
        raise GentoolError(f"training.parallel: {error.args[0]}") from None
    if world.size == 1 and said.startswith("hsdp:"):
        raise GentoolError(f'training.parallel = "{said}" is for several processes (--nproc), and this is one; write "auto"')
    if said == "auto" and world.size > 1 and world.agree(int(memory is not None and whole > ROOM * memory)):
        why = (
            f"fsdp, since weights, gradients, Adam and averages take {whole / 2**30:,.1f} GiB; a device has too little for all"
        )
        return Parallelism("fsdp", 1, world.size, why)
    return found


def memory_of(device: torch.device) -> int | None:
    """Bytes of a CUDA device; None on a CPU."""
    return int(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else None
