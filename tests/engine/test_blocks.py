"""Activation checkpointing: the same numbers, less memory."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentoolkit import recipe as recipes
from gentoolkit.components.denoisers.adm import ADM
from gentoolkit.components.denoisers.dit import DiT
from gentoolkit.components.denoisers.ncsnpp import NCSNpp
from gentoolkit.components.denoisers.unet import UNet
from gentoolkit.components.discriminators.conv import Conv
from gentoolkit.components.discriminators.time_conv import TimeConv
from gentoolkit.components.encoders.conv import Conv as Encoder
from gentoolkit.components.regularizers.slopes import squared_slope
from gentoolkit.diffusion import Gaussian
from gentoolkit.engine.checking.deep import deep_check
from gentoolkit.engine.checking.meter import Meter
from gentoolkit.engine.processes.blocks import blocks_of, recompute
from gentoolkit.engine.train import train
from gentoolkit.testing import tiny_condition, tiny_draw, tiny_facts
from gentoolkit.testing.tiny import tiny_parts

from . import tiny
from .test_layout import pictures

NETWORKS = {
    "unet": UNet(width=4, mults=(1, 1), attention=(1,), dropout=0.3),
    "ncsnpp": NCSNpp(width=4, mults=(1, 1), attention=(1,)),
    "adm": ADM(width=4, mults=(1, 1), head_channels=4),
    "dit": DiT(hidden=8, depth=3, heads=2, patch=2),
    "conv": Conv(width=4, mults=(1, 1)),
    "time-conv": TimeConv(width=4, mults=(1, 1, 1), full=2, embedding=8),
    "encoder": Encoder(width=4, mults=(1, 1)),
}
FACTS = tiny_facts("image", (3, 8, 8), latent=3)


def stirred(config: Any) -> nn.Module:
    """The network in float64 with every weight away from zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net: nn.Module = config.build(FACTS, {}).double()
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.2 * torch.randn_like(p))
    return net


def inputs(config: Any) -> list[Any]:
    """Two samples as the network takes them."""
    level = tiny_parts(FACTS)["process"].level(torch.tensor([1, 3]), torch.float64)
    images = [tiny_draw(FACTS, 2, n, FACTS.shape, torch.float64) for n in ("a", "b")]
    points = images[:1] if config.slot == "denoiser" else images
    return [*points, level, tiny_condition(FACTS, 2, torch.float64, w=True)]


def gradients(net: nn.Module, config: Any) -> tuple[list[Tensor], int]:
    """(of every weight, for a discriminator R1's among them; the most bytes alive)."""
    args = inputs(config)
    with Meter([*net.parameters()]) as meter, torch.random.fork_rng():
        torch.manual_seed(1)  # what is computed again drops what was dropped before
        if config.slot == "discriminator":
            x = args[0].requires_grad_()
            logits = net(*args)
            loss = (logits.square() + squared_slope(lambda x: net(x, *args[1:]), x, logits)).sum()
        else:
            out = net(*args)
            loss = (out.mean + out.variance).square().sum() if isinstance(out, Gaussian) else out.square().sum()
        found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return [torch.zeros(()) if g is None else g for g in found], meter.peak


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_equal_and_memory_falls(name: str) -> None:
    config = NETWORKS[name]
    net = stirred(config)
    before, names = net.state_dict().keys(), len(blocks_of(net))
    expected, peak = gradients(net, config)
    assert recompute(net) == names > 1
    found, less = gradients(net, config)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    if config.slot != "discriminator":  # a second derivative needs most of what is inside the blocks at once
        assert less < (0.8 if config.slot == "denoiser" else 1) * peak, f"{less} of {peak} bytes"
    assert net.state_dict().keys() == before

    twin = copy.deepcopy(net)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    for one, other in zip(expected, gradients(twin, config)[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12, msg="a copy computes with its own weights")


def test_a_run_ends_with_the_same_weights_and_the_deep_check_knows(tmp_path: Path) -> None:
    costs, operations = [], []
    for on in (False, True):
        table = pictures("ddgan", tmp_path / str(on), activation_checkpointing=on)
        train(table, quiet=True)
        report = deep_check(recipes.load({**table, "run": {}}))
        costs.append(max(c.working for c in report.costs))
        operations.append(report.flops)
    plain, again = (tiny.state(tmp_path / str(on))[1] for on in (False, True))
    assert tiny.largest_difference(again, plain) < 1e-11
    assert costs[1] < costs[0]
    assert operations[1] == operations[0] > 0, "what is computed again is no operation of the model's"
