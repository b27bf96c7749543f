"""Everything that learning produced, as one flat table of tensors: nets, averages, optimizer states,
running buffers.

    net/<net>/<parameter>      ema/<net>/<parameter>      ema.<average>/<net>/<parameter>
    optimizer/<update>/<net>.<parameter>/<entry>          running/<name>/<buffer>

Nothing else needs saving: learning rates, noise, data order and active terms follow from (seed, step).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from gentoolkit.registry import GentoolError

from .average import Average
from .players import Nets, Player


def collect(nets: Nets, averages: Mapping[str, Average], players: list[Player]) -> dict[str, Tensor]:
    """The table of tensors to save."""
    table = {}
    for name, module in nets.modules.items():
        for key, value in module.state_dict().items():
            table[f"net/{name}/{key}"] = value
    for name, average in averages.items():
        for key, value in average.table.items():
            table[f"{name}/{key}"] = value
    for name, module in nets.running.items():
        for key, value in module.state_dict().items():
            table[f"running/{name}/{key}"] = value
    for player in players:
        for key, weight in player.named:
            for entry, value in player.optimizer.state.get(weight, {}).items():
                table[f"optimizer/{player.update.name}/{key}/{entry}"] = torch.as_tensor(value)
    return table


def places(
    nets: Nets, averages: Mapping[str, Average], players: list[Player]
) -> Callable[[str, torch.Size, torch.dtype], Tensor | None]:
    """Where a saved tensor is to be read to: `(name, shape, dtype)` -> an empty tensor in the shards of the weight that it
    belongs to, or None for one that every process has whole. So a checkpoint fits any number of processes and shards."""
    table = collect(nets, averages, players)
    weights = {f"optimizer/{p.update.name}/{key}": w.detach() for p in players for key, w in p.named}

    def place(name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor | None:
        like = table.get(name, weights.get(name.rpartition("/")[0]))
        return torch.empty_like(like, dtype=dtype) if isinstance(like, DTensor) and like.shape == shape else None

    return place


def restore(
    table: Mapping[str, Tensor],
    optimizers: Mapping[str, str],
    nets: Nets,
    averages: Mapping[str, Average],
    players: list[Player],
) -> list[str]:
    """Put a saved table back, in place; a sentence for each optimizer that starts anew because it is another one, and
    for each average and each running module that is new.

    Args:
        table: what `collect` made.
        optimizers: names of the optimizers that made it, by update.

    Raises:
        GentoolError: a tensor is missing or has another shape.
    """
    changed = []
    for name, module in nets.modules.items():
        copy_into(module.state_dict(), table, f"net/{name}/")
    for name, average in averages.items():
        if any(key.startswith(f"{name}/") for key in table):
            copy_into(average.table, table, f"{name}/")
        else:
            copy_into(average.table, average.net.state_dict(), "")
            changed.append(f"the average {name} is not in the checkpoint; it starts from the weights")
    for name, module in nets.running.items():
        prefix = f"running/{name}/"
        if any(key.startswith(prefix) for key in table):
            copy_into(module.state_dict(), table, prefix)
        else:
            changed.append(f"what '{name}' keeps track of is not in the checkpoint; it starts anew")
    for player in players:
        before, now = optimizers.get(player.update.name), player.update.optimizer.name
        if before != now:
            said = f"was trained with {before}" if before else "has no optimizer in the checkpoint"
            changed.append(f"update '{player.update.name}' {said}; its {now} starts anew")
            continue
        prefix = f"optimizer/{player.update.name}/"
        weights = dict(player.named)
        for name, value in table.items():
            if name.startswith(prefix):
                key, _, entry = name.removeprefix(prefix).rpartition("/")
                if key not in weights:
                    raise GentoolError(f"the checkpoint does not fit the recipe: {name} belongs to no weight")
                weight = weights[key]
                # Counters stay where the optimizer made them; moments live beside their weight.
                where = weight.device if value.dim() or player.fused else torch.device("cpu")
                moment = value.shape == weight.shape and value.dim() > 0
                placed = torch.empty_like(weight, dtype=value.dtype).copy_(value) if moment else value.to(where)
                player.optimizer.state[weight][entry] = placed
    return changed


def copy_into(live: Mapping[str, Tensor], table: Mapping[str, Tensor], prefix: str) -> None:
    """Copy the tensors `prefix...` of a table over live ones.

    Raises:
        GentoolError: a tensor is missing or has another shape.
    """
    fits(live, table, prefix)
    with torch.no_grad():
        for key, tensor in live.items():
            saved = table[prefix + key]
            if isinstance(tensor, DTensor) and not isinstance(
                saved, DTensor
            ):  # every process has all of it, and keeps its share
                whole = saved.to(tensor.device)
                saved = distribute_tensor(whole, tensor.device_mesh, tensor.placements, src_data_rank=None)
            tensor.copy_(saved)


def fits(live: Mapping[str, Tensor], table: Mapping[str, Tensor], prefix: str = "") -> None:
    """Whether a table has all the tensors `prefix...`, in the shapes of the live ones.

    Raises:
        GentoolError: a tensor is missing or has another shape.
    """
    for key, tensor in live.items():
        saved = table.get(prefix + key)
        if saved is None or saved.shape != tensor.shape:
            have = "is not there" if saved is None else f"has shape {tuple(saved.shape)}, not {tuple(tensor.shape)}"
            raise GentoolError(f"the checkpoint does not fit the recipe: {prefix + key} {have}")
