"""Where a run's first weights are from, if they are not random: another run's, a snapshot's, an exported or imported model's.

They are put into the nets before anything wraps or averages them, so averages begin with them, whatever the parallelism;
optimizers are fresh. Once the run has a checkpoint of its own, nothing here is looked at again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from attrs import frozen
from torch import Tensor

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Net
from gentoolkit.recipe import Loaded
from gentoolkit.recipe.exported import WEIGHTS
from gentoolkit.registry import GentoolError

from .assemble import Assembly
from .learned import copy_into
from .models.trained import place_of, refuse_foreign, run_folder, tensors_of
from .processes.world import World
from .storage import checkpoints, folder
from .storage.store import Store
from .storage.whole import write_whole

RECORD = "start.json"
SHAPING = ("data.", "process.", "model.", "method.")
"""Tables that decide which tensors there are."""
SHOWN = 8
"""Tensors and differences that are listed, of each kind."""


@frozen
class Source:
    """The model that a run starts from."""

    loaded: Loaded
    path: str
    step: int
    weights: str
    nets: Mapping[str, Mapping[str, Tensor]]
    """Tensors by net and by name within it."""

    @property
    def shown(self) -> str:
        """The path as it is said, short where it lies below the working folder."""
        path = Path(self.path)
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)

    @property
    def origin(self) -> Path:
        """Where it is said which released weights it derives from, if it does."""
        return Path(self.path) / folder.ORIGIN


@frozen
class Start:
    """How a run was started."""

    source: Source
    nets: Mapping[str, str]
    """`loaded`, or why it is fresh, by net."""
    notes: tuple[str, ...]

    def record(self, where: Path) -> None:
        """Write `start.json` into the run's folder, and carry on the licence of released weights."""
        about = {
            "run": self.source.path,
            "name": self.source.loaded.name,
            "run_id": self.source.loaded.run_id,
            "step": self.source.step,
            "weights": self.source.weights,
            "sha256": self.sha256,
            "nets": self.nets,
        }
        write_whole(where / RECORD, json.dumps(about, indent=1))
        if self.source.origin.is_file():
            shutil.copyfile(self.source.origin, where / folder.ORIGIN)

    @property
    def sha256(self) -> str:
        """Of the tensors that were loaded, name by name."""
        found = hashlib.sha256()
        for net in sorted(n for n, how in self.nets.items() if how == "loaded"):
            for name, value in sorted(self.source.nets[net].items()):
                found.update(f"{net}/{name}{tuple(value.shape)}{value.dtype}".encode())
                found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()


def begin(loaded: Loaded, assembly: Assembly, store: Path | Store, trust_local: bool | None = None) -> Start | None:
    """Put the weights that `[start]` names into the nets of a plan; None if there is nothing to do, since the recipe names
    none or the run has a checkpoint that it goes on from.

    Raises:
        GentoolError: there are no such weights, or they do not fit; nothing is changed.
    """
    start = loaded.recipe.start
    if start is None or checkpoints.newest(store)[0] is not None:
        return None
    known = [net.name for net in assembly.plan.nets]
    if strange := [name for name in start.fresh if name not in known]:
        raise GentoolError(f"start.fresh names '{strange[0]}'; the nets of this recipe are {', '.join(map(repr, known))}")
    if set(known) <= set(start.fresh):
        raise GentoolError("start.fresh names every net, so nothing is left to be loaded; take start out of the recipe")
    source = source_of(start.run, start.weights, trust_local)
    nets = {net.name: state_of(net, source, start.fresh) for net in assembly.plan.nets}
    found = [d for d in recipes.differences(source.loaded, loaded) if d.change and not d.path.startswith("start.")]
    taken = [net for net in assembly.plan.nets if nets[net.name] == "loaded"]
    if "denoiser" in (net.name for net in taken):
        meanings(source, loaded)
    if problems := [line for net in taken for line in misfits(net, source.nets[net.name])]:
        shaping = [str(d) for d in found if d.path.startswith(SHAPING)]
        raise GentoolError(misfit(source, problems, shaping, [net.name for net in taken]))
    for net in taken:
        copy_into(net.module.state_dict(), source.nets[net.name], "")
    notes = [f"starts from the weights '{source.weights}' of step {source.step} of {source.shown}"]
    notes += [f"net '{name}' starts fresh: {why}" for name, why in nets.items() if why != "loaded"]
    notes += [f"differs from {source.shown}: {line}" for line in shortened([str(d) for d in found])]
    return Start(source, nets, tuple(notes))


def source_of(path: str, weights: str, trust_local: bool | None = None) -> Source:
    """The weights of a run's newest checkpoint that verifies, or of an exported model.

    Raises:
        GentoolError: there are none of that kind.
    """
    place = run_folder(path)
    refuse_foreign(place)
    loaded = recipes.load(place, trust_local=trust_local)
    if loaded.exported is not None:
        held = loaded.exported.weights
        if weights not in ("ema", held):
            raise GentoolError(f"{path} is an exported model, which holds the weights '{held}' alone; leave start.weights out")
        return Source(loaded, path, loaded.exported.step, held, {"denoiser": tensors_of(place / WEIGHTS)})
    kind = place_of(weights, loaded.recipe.ema)
    found, refused = checkpoints.newest(folder.store_of(loaded.recipe, place))
    if found is None:
        raise GentoolError(f"{path} has no checkpoint to start from: {'; '.join(refused.values()) or 'none was committed yet'}")
    alone = World(0, 1, torch.device("cpu"))
    commit, table = checkpoints.load(found, alone, only="net/")
    averaged = checkpoints.load(found, alone, only=f"{kind}/")[1] if kind != "net" else {}
    if kind != "net" and not averaged:
        raise GentoolError(f"{found} holds no weights '{weights}': this average is newer than the checkpoint")
    nets: dict[str, dict[str, Tensor]] = {}
    for prefix, tensors in (("net/", table), (f"{kind}/", averaged)):
        for key, value in tensors.items():
            net, _, name = key.removeprefix(prefix).partition("/")
            nets.setdefault(net, {})[name] = value
    return Source(loaded, path, int(commit["step"]), weights, nets)


def state_of(net: Net, source: Source, fresh: Sequence[str]) -> str:
    """`loaded`, or why a net starts fresh."""
    if net.name in fresh:
        return "as start.fresh asks"
    return "loaded" if net.name in source.nets else f"{source.shown} has none"


def meanings(source: Source, loaded: Loaded) -> None:
    """A network's output means the same as before.

    Raises:
        GentoolError: it does not.
    """
    there, here = (one.recipe.model.parametrization.name for one in (source.loaded, loaded))
    if there != here:
        raise GentoolError(
            f"the network's output stands for other things: parametrization '{there}' in {source.shown}, '{here}' in this "
            f'recipe, so its weights would be worth nothing; use parametrization = "{there}"'
        )


def misfits(net: Net, table: Mapping[str, Tensor]) -> list[str]:
    """A line for each tensor of a net that is not there, has another shape, or has no place in it."""
    lines = []
    live = net.module.state_dict()
    for name, tensor in live.items():
        saved = table.get(name)
        if saved is None:
            lines.append(f"{net.name}/{name} is not there")
        elif saved.shape != tensor.shape:
            lines.append(f"{net.name}/{name} has shape {tuple(saved.shape)} there, {tuple(tensor.shape)} here")
    return lines + [f"{net.name}/{name} has no place here" for name in table if name not in live]


def misfit(source: Source, problems: list[str], differ: list[str], loaded: list[str]) -> str:
    """The message for weights that do not fit."""
    wrong = [name for name in loaded if any(line.startswith(f"{name}/") for line in problems)]
    lines = [f"the weights of {source.shown} do not fit this recipe:", *(f"  {line}" for line in shortened(problems))]
    if differ:
        lines += ["what differs between its recipe and this one:", *(f"  {line}" for line in shortened(differ))]
    ways = "make these parts as they are there"
    if "denoiser" not in wrong and len(wrong) < len(loaded):
        names = ", ".join(f'"{name}"' for name in wrong)
        ways += f", or begin without: start.fresh = [{names}]"
    return "\n".join([*lines, ways])


def shortened(lines: Sequence[str]) -> list[str]:
    """The first of many lines."""
    return [*lines[:SHOWN], *([f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])]
