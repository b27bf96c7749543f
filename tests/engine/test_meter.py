"""What a computation costs: known operations, real and simulated alike."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from gentoolkit.engine.checking.meter import Meter

N, W = 10, 100
FLOAT = 4


@pytest.mark.parametrize("simulated", [False, True])
def test_a_chain_of_matrix_products(simulated: bool) -> None:
    with FakeTensorMode() if simulated else nullcontext():
        w, x = torch.ones(W, W, requires_grad=True), torch.ones(N, W)
        meter = Meter([w, x])
        with meter:
            h = x
            for _ in range(5):
                h = torch.tanh(h @ w)
            assert meter.flops == 5 * 2 * N * W * W
            assert meter.live == 5 * N * W * FLOAT  # tanh keeps what it put out
            meter.restart()
            h.sum().backward()
            assert meter.flops == (5 + 4) * 2 * N * W * W  # no gradient is asked of x
            assert meter.peak >= meter.live
            del h
        assert meter.live == W * W * FLOAT  # the gradient of w


def test_a_second_derivative_counts() -> None:
    w = torch.ones(W, W, requires_grad=True)
    x = torch.ones(N, W, requires_grad=True)
    with (meter := Meter([w, x])):
        (g,) = torch.autograd.grad(torch.tanh(x @ w).sum(), x, create_graph=True)
        first = meter.flops
        g.square().sum().backward()
    assert first == 2 * 2 * N * W * W
    assert meter.flops > first


def test_views_and_what_was_there_before_cost_nothing() -> None:
    x = torch.ones(N, W)
    with (meter := Meter([x])):
        y = x.view(-1)[3:].view(1, -1).add_(1)
        assert meter.peak == 0
        z = torch.cat([y, y])
        assert meter.peak == meter.live == z.numel() * FLOAT
        del y, z
        assert meter.live == 0
