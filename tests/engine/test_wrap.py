"""How processes share the weights is chosen by what fits; what cannot be cut is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import attrs
import pytest
import torch
import torch.distributed as dist
from torch import nn

import gentoolkit
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.processes.held import gathered, held, needed
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.processes.wrap import Replicated, Sharded, shared, used_outside
from gentoolkit.engine.train import train
from gentoolkit.recipe.parallelism import Parallelism
from gentoolkit.registry import GentoolError

from . import tiny


@attrs.frozen
class Two(World):
    """One of two processes that agree with themselves."""

    def agree(self, value: int) -> int:
        return value


CPU = torch.device("cpu")
GIB = 2**30


@pytest.mark.parametrize(
    ("said", "memory", "kind"),
    [
        ("auto", None, "ddp"),
        ("auto", 100 * GIB, "ddp"),
        ("auto", 99 * GIB, "fsdp"),
        ("ddp", GIB, "ddp"),
        ("fsdp", None, "fsdp"),
    ],
)
def test_auto_takes_shards_where_all_weights_would_take_more_than_four_fifths_of_a_device(
    said: str, memory: int | None, kind: str
) -> None:
    found = shared(said, Two(0, 2, CPU), 80 * GIB, memory)
    assert found.kind == kind
    assert ("80.0 GiB" in found.why) == (said == "auto" and kind == "fsdp")


def test_one_process_never_has_shards() -> None:
    assert shared("auto", World(0, 1, CPU), 80 * GIB, GIB) == Parallelism("none")


def test_replicas_of_shards_on_one_process_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GentoolError, match=r'"hsdp:2x2" is for several processes \(--nproc\), and this is one; write "auto"'):
        train(tiny.recipe("ddpm", tmp_path / "run", parallel="hsdp:2x2"), quiet=True)


def test_what_is_needed_in_all(tmp_path: Path) -> None:
    loaded = gentoolkit.check(tiny.recipe("ddgan", tmp_path / "run"))
    plan = assemble(loaded.recipe, loaded.facts, None).plan  # type: ignore[arg-type]
    denoiser, discriminator = (sum(p.numel() for p in net.module.parameters()) for net in plan.nets)
    # Weights, gradients and two moments of both nets, three averages of the first.
    assert needed(plan, 3, torch.float64) == 8 * (7 * denoiser + 4 * discriminator)


def test_a_weight_without_a_dimension_cannot_be_cut() -> None:
    net = nn.Linear(2, 2)
    net.register_parameter("gain", nn.Parameter(torch.ones(())))
    with pytest.raises(GentoolError, match=r"judge\.gain is a single number without a dimension.*give it the shape \[1\]"):
        Sharded(net, None, "judge")  # type: ignore[arg-type]


def test_a_container_is_no_block() -> None:
    net = nn.Linear(2, 2)
    net.blocks = [nn.ModuleList([nn.Linear(2, 2)])]
    with pytest.raises(GentoolError, match="a network of judge names a ModuleList as one of its blocks, which is never called"):
        Sharded(net, None, "judge")  # type: ignore[arg-type]


def test_a_weight_of_a_block_is_used_nowhere_else() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    net[2].weight = net[0].weight
    assert used_outside(net, []) is None
    assert used_outside(net, [net]) is None, "both are in it"
    net.blocks = [net[0], net[1]]
    with pytest.raises(GentoolError, match=r'judge\.0\.weight lies in a block.* is judge\.2\.weight, too.*parallel = "ddp"'):
        Sharded(net, None, "judge")  # type: ignore[arg-type]


def test_what_a_process_holds_of_shards_and_gathers_for_the_moment() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 5))
    net.register_buffer("table", torch.zeros(10))
    each = [4 * n for n in (16, 20, 20, 25)]
    assert (held(net), held(net, 4)) == (sum(each) + 40, sum(each) // 4 + 40)
    assert [gathered(net, n, False) for n in (1, 4)] == [0, sum(each)], "no blocks are named"
    net.blocks = [net[1], net[2], net[3]]
    assert gathered(net, 4, second_order=False) == each[0] + each[3] + each[2], "what lies outside, and two blocks"
    assert gathered(net, 4, second_order=True) == sum(each)


def test_ddp_starts_without_a_word_and_leaves_buffers_alone() -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            wrap = Replicated(nn.BatchNorm1d(1), World(0, 1, CPU))
        assert not wrap.ddp.will_sync_module_buffers()
    finally:
        dist.destroy_process_group()
