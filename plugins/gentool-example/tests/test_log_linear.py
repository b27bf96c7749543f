"""The law of the schedule: the logarithm of the signal-to-noise ratio is a straight line."""

from __future__ import annotations

import math

import pytest
import torch
from gentool_example.log_linear import LogLinear

from gentoolkit.diffusion import GaussianForward


@pytest.mark.parametrize(("first", "last"), [(13.3, -5.0), (8.0, -10.0), (7.0, 0.0)])
def test_log_snr_is_a_straight_line(first: float, last: float) -> None:
    time = torch.linspace(0, 1, 101, dtype=torch.float64)
    alpha, sigma = LogLinear(first=first, last=last).alpha_sigma(time, torch)
    torch.testing.assert_close(2 * (alpha.log() - sigma.log()), first + (last - first) * time, rtol=1e-12, atol=1e-11)


def test_variance_is_preserved() -> None:
    alpha, sigma = LogLinear().alpha_sigma(torch.linspace(0, 1, 101, dtype=torch.float64), torch)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(101, dtype=torch.float64), rtol=0, atol=1e-15)


def test_ends_of_vdm() -> None:
    """log-SNR 13.3 and -5, as in the released configuration of Kingma et al."""
    assert LogLinear().alpha_sigma(0.0, math)[1] == pytest.approx(math.sqrt(1 / (1 + math.exp(13.3))), rel=1e-12)
    assert LogLinear().alpha_sigma(1.0, math)[0] == pytest.approx(math.sqrt(1 / (1 + math.exp(5))), rel=1e-12)


def test_networks_see_the_same_log_snr() -> None:
    """On a grid of T steps the level's log-SNR falls by the same amount in each step."""
    curve = LogLinear(first=8.0, last=-4.0).build(None, {})  # type: ignore[arg-type]
    level = GaussianForward(curve.grid(4), curve).level(torch.arange(1, 5), torch.float64)
    torch.testing.assert_close(level.log_snr, torch.tensor([5.0, 2.0, -1.0, -4.0], dtype=torch.float64), rtol=1e-12, atol=1e-12)
