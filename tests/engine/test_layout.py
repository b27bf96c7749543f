"""How nets lie in memory changes speed alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gentoolkit import recipe as recipes
from gentoolkit.components.optimizers.adam import Adam
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.learned import restore
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.numerics.layout import channels_last, prepare
from gentoolkit.engine.numerics.programs import Programs
from gentoolkit.engine.players import Nets, players
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.train import train
from gentoolkit.recipe.parallelism import Parallelism
from gentoolkit.recipe.tree import Training

from . import tiny

CPU = torch.device("cpu")


def pictures(method: str, folder: Path, **training: Any) -> dict[str, Any]:
    """The tiny recipe on digits, with convolutions everywhere."""
    table = tiny.recipe(method, folder, precision="fp64", **training)
    conv = {"use": "conv", "width": 4, "mults": [1]}
    nets = {name: conv for name in ("discriminator", "encoder") if name in table["method"]}
    model = {**table["model"], "denoiser": {"use": "unet", "width": 4, "mults": [1, 1]}}
    return {**table, "data": "digits", "model": model, "method": {**table["method"], **nets}}


def test_auto_is_on_where_it_pays() -> None:
    def training(**options: Any) -> Training:
        return Training(steps=1, batch_size=1, **options)

    assert channels_last(training(), torch.device("cuda"))
    assert not channels_last(training(), CPU)
    assert channels_last(training(channels_last="on"), CPU)
    assert not channels_last(training(channels_last="off"), torch.device("cuda"))


@pytest.mark.parametrize("method", ["ddgan", "cvae"])
def test_channels_last_trains_the_same_weights_and_resumes_bit_for_bit(tmp_path: Path, method: str) -> None:
    for name in ("on", "off"):
        train(pictures(method, tmp_path / name, channels_last=name), quiet=True)
    on, off = (tiny.state(tmp_path / name)[1] for name in ("on", "off"))
    assert tiny.largest_difference(on, off) < 1e-11
    for steps in (4, 6):
        train(pictures(method, tmp_path / "broken", channels_last="on", steps=steps), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "broken")[1], on)


def test_weights_averages_and_moments_lie_alike(tmp_path: Path) -> None:
    loaded = recipes.load(pictures("ddpm", tmp_path / "run", channels_last="on"))
    assembly, world = assemble(loaded.recipe, loaded.facts, load_reference), World(0, 1, CPU)
    prepare(assembly.plan, loaded.recipe.training, CPU)
    nets = Nets(assembly.plan, world, torch.float64, Parallelism("none"))
    (player,) = players(
        assembly.plan, nets, loaded.facts, world, loaded.recipe.training, Programs("off", "fp64", world)
    ).values()
    name, weight = next((n, w) for n, w in player.named if w.dim() == 4 and w.shape[1] > 1 and w.shape[2] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    saved = torch.arange(weight.numel(), dtype=torch.float64).view(weight.shape)
    table = {f"net/denoiser/{k}": v.clone() for k, v in nets.modules["denoiser"].state_dict().items()}
    table[f"optimizer/denoiser/{name}/exp_avg"] = saved
    assert restore(table, {"denoiser": Adam().name}, nets, {}, [player]) == []
    moment = player.optimizer.state[weight]["exp_avg"]
    assert torch.equal(moment, saved)
    assert moment.stride() == weight.stride()
