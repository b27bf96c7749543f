"""Second-order terms in full precision and without fused attention; the switches of CUDA."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Batch
from gentoolkit.components.model import Condition
from gentoolkit.components.networks.layers import full_precision
from gentoolkit.diffusion import Draw
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.numerics.precision import settings
from gentoolkit.engine.numerics.programs import Programs, stirred
from gentoolkit.engine.players import Nets, Player, players
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.processes.wrap import Wrap
from gentoolkit.engine.train import train
from gentoolkit.recipe.parallelism import Parallelism

from . import tiny
from .test_layout import pictures

WORLD = World(0, 1, torch.device("cpu"))
B = 8


class Attentive(nn.Module):
    """A judge of pairs that attends over pixels, by torch's attention or written out."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.qkv, self.out = nn.Linear(2, 24), nn.Linear(8, 1)

    def forward(self, x_prev: Tensor, x_t: Tensor, level: Any, condition: Any) -> Tensor:
        """Logits `[B]`."""
        pixels = torch.cat([x_prev, x_t], dim=1).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(pixels).chunk(3, dim=-1)
        if self.fused:
            h = scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            h = torch.softmax(q @ k.transpose(1, 2) / 8**0.5, dim=-1) @ v
        logits: Tensor = self.out(h.tanh()).sum(dim=(1, 2)).to(x_t.dtype)
        return logits


@cache
def batch() -> Tensor:
    """Eight pictures."""
    return torch.rand(B, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def player(precision: str, judge: nn.Module | None = None) -> Player:
    """The discriminator's, on digits; R1 is due in step 0."""
    table = pictures("ddgan", Path("unused"))
    table["training"]["precision"] = precision
    loaded = recipes.load(table)
    assembly = assemble(loaded.recipe, loaded.facts, load_reference)
    nets = Nets(assembly.plan, WORLD, torch.float32, Parallelism("none"))
    if judge is not None:
        nets.modules["discriminator"], nets.wraps["discriminator"] = judge, Wrap(judge)
    made = players(assembly.plan, nets, loaded.facts, WORLD, loaded.recipe.training, Programs("off", precision, WORLD))
    nets.train_only(["discriminator"])
    return made["discriminator"]


def slopes(which: Player, term: str, penalty: Any = None) -> list[Tensor]:
    """Gradients of one term's mean with respect to the discriminator's weights, stirred as programs are."""
    net = which.nets.modules["discriminator"]
    with stirred([net]):
        terms = which.autocast_losses(Batch(batch(), Condition()), Draw((0,), 0, B), which.update.active(0))
        found = torch.autograd.grad(terms.values[term].mean(), list(net.parameters()), allow_unused=True)
    return [g for g in found if g is not None]


def apart(one: list[Tensor], other: list[Tensor]) -> float:
    """The relative distance of two gradients."""
    a, b = (torch.cat([g.double().flatten() for g in gs]) for gs in (one, other))
    return float((a - b).norm() / b.norm())


def test_the_gradient_of_r1_under_bf16_is_that_of_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    rough, exact = player("bf16"), player("fp32")
    assert apart(slopes(rough, "r1"), slopes(exact, "r1")) < 1e-5
    assert 1e-3 < apart(slopes(rough, "adversarial"), slopes(exact, "adversarial")) < 0.2, "bf16 was not used elsewhere"

    # Without the engine's hand it is not.
    from gentoolkit.engine.numerics import programs

    monkeypatch.setattr(programs, "full_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    assert apart(slopes(rough, "r1"), slopes(exact, "r1")) > 3e-3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_discriminator_may_attend(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    fused, plain = Attentive(True), Attentive(False)
    plain.load_state_dict(fused.state_dict())
    expected = slopes(player("fp32", plain), "r1")
    assert apart(slopes(player(precision, fused), "r1"), expected) < 1e-5

    # Fused attention, which torch would choose, has no second derivative.
    from contextlib import nullcontext

    monkeypatch.setattr("gentoolkit.engine.numerics.precision.sdpa_kernel", lambda backend: nullcontext())
    with pytest.raises(RuntimeError, match="derivative for aten::_scaled_dot_product"):
        slopes(player("fp32", fused), "r1")


def test_a_denoiser_attends_beside_a_penalty(tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        table = pictures("ddgan", tmp_path / precision)
        table["training"]["precision"] = precision
        table["model"]["denoiser"] = {"use": "dit", "hidden": 8, "depth": 1, "heads": 2, "patch": 2}
        assert train(table, quiet=True).code == 0
        assert tiny.state(tmp_path / precision)[0] == 6


def test_full_precision_is_left_alone_where_there_is_no_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16), full_precision(torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("deterministic", [True, False])
def test_switches_of_cuda_are_set_and_put_back(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul

    def now() -> tuple[bool, ...]:
        algorithms = torch.are_deterministic_algorithms_enabled()
        return cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic, algorithms

    before = now()
    with settings(torch.device("cuda"), deterministic):
        assert now() == (False, False, not deterministic, deterministic, deterministic)
    assert now() == before
    with settings(torch.device("cpu"), deterministic):
        assert now() == before
