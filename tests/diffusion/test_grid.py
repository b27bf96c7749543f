"""Step grids refuse what is no schedule, and are indexed by the paper's t."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.linear import Linear
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Curve, GaussianForward, StepGrid
from gentoolkit.registry import Facts

ALL = [VP(), Linear(), Cosine(), Geometric(), Rectified()]


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def grid(alpha, sigma):
    return StepGrid(torch.linspace(0, 1, len(alpha), dtype=torch.float64), f64(*alpha), f64(*sigma))


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("T", [1, 2, 7])
def test_tables_run_from_0_to_the_last_step_in_even_time(schedule, T):
    made = schedule.build(Facts(), {}).grid(T)
    assert made.T == T
    assert made.time.dtype == made.alpha.dtype == made.sigma.dtype == torch.float64
    assert (made.alpha[0], made.sigma[0]) == (1, 0)
    step = 1e-3 / 2 if schedule.native_steps else 1e-15
    assert torch.allclose(made.time, torch.arange(T + 1).double() / T, rtol=0, atol=step)


def test_quadratic_spacing_squares_the_time():
    made = VP().build(Facts(), {}).grid(4, "quadratic")
    assert made.time.tolist() == [0, 1 / 16, 1 / 4, 9 / 16, 1]
    assert torch.equal(made.alpha[2], VP().build(Facts(), {}).grid(4).alpha[1])


@pytest.mark.parametrize(
    ("alpha", "sigma", "said"),
    [
        ((0.9, 0.5), (0.1, 0.8), "clean data"),
        ((1, 0.5), (0.1, 0.8), "clean data"),
        ((1, 0.9, 0.5), (0, 0, 0.8), "sigma must be positive"),
        ((1, 0.9, 0.5), (0, -0.1, 0.8), "sigma must be positive"),
        ((1, 0.9, 0.9), (0, 0.1, 0.1), "fall strictly"),
        ((1, 0.5, 0.9), (0, 0.8, 0.1), "fall strictly"),
        ((1, 0, 0), (0, 0.8, 1), "not negative there"),
        ((1, 0.5, -0.5), (0, 0.8, 1), "not negative there"),
        ((1, float("nan"), 0.5), (0, 0.8, 1), "finite"),
        ((1, float("inf"), 0.5), (0, 0.8, 1), "finite"),
    ],
)
def test_what_is_no_schedule_is_refused(alpha, sigma, said):
    with pytest.raises(ValueError, match=said):
        grid(alpha, sigma)


def test_no_signal_is_legal_at_the_last_step_alone():
    assert grid((1, 0.5, 0), (0, 0.8, 1)).T == 2
    with pytest.raises(ValueError, match="alpha"):
        grid((1, 0.5, 0, 0), (0, 0.8, 1, 2))


def test_a_discrete_schedule_has_no_more_steps_than_it_has():
    assert Linear().build(Facts(), {}).grid(1000).T == 1000
    with pytest.raises(ValueError, match="fall strictly"):
        Linear().build(Facts(), {}).grid(1001)


def test_beta_and_alpha_bar_are_for_variance_preserving_grids_alone():
    for schedule in (VP(), Linear(), Cosine()):
        made = schedule.build(Facts(), {}).grid(5)
        assert torch.allclose((1 - made.beta).cumprod(0), made.alpha_bar, rtol=1e-9, atol=1e-30)
        assert made.beta[0] == 0
    for schedule in (Geometric(), Rectified()):
        with pytest.raises(ValueError, match="variance-preserving"):
            _ = schedule.build(Facts(), {}).grid(5).beta


def test_tables_are_copied_to_a_device_once():
    made = VP().build(Facts(), {}).grid(4)
    cpu = torch.device("cpu")
    assert made.table("alpha", cpu) is made.table("alpha", cpu)
    assert made.table("alpha", cpu).dtype == torch.float64
    ghost = made.table("sigma", torch.device("meta"))
    assert ghost.device.type == "meta"
    assert ghost.shape == (5,)


def test_a_table_made_in_a_simulation_is_not_kept():
    from torch._subclasses.fake_tensor import FakeTensorMode

    made = VP().build(Facts(), {}).grid(4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        made.table("alpha", torch.device("cpu"))
    assert type(made.table("alpha", torch.device("cpu"))) is torch.Tensor
    assert torch.equal(made.table("alpha", torch.device("cpu")), made.alpha)


def test_the_level_is_all_that_networks_see_of_t():
    q = GaussianForward(VP().build(Facts(), {}).grid(4), VP().build(Facts(), {}))
    t = torch.tensor([1, 4])
    level = q.level(t)
    alpha_bar = q.grid.alpha_bar[t]
    assert level.index.tolist() == [0, 3]
    assert level.time.tolist() == [0.25, 1.0]
    assert torch.allclose(level.log_snr.double(), (alpha_bar / (1 - alpha_bar)).log(), rtol=1e-6)
    assert torch.allclose(level.c_noise.double(), (q.grid.sigma[t] / q.grid.alpha[t]).log() / 4, rtol=1e-6)
    assert {v.dtype for v in (level.time, level.log_snr, level.c_noise)} == {torch.float32}
    assert q.level(t, torch.float64).log_snr.dtype == torch.float64


def test_a_level_off_the_grid_has_no_index():
    curve = VP().build(Facts(), {})
    level = GaussianForward(curve.grid(4), curve).level(torch.tensor([0.25, 0.3]))
    on = GaussianForward(curve.grid(4)).level(torch.tensor([1]))
    assert level.index is None
    assert torch.allclose(level.log_snr[:1], on.log_snr)
    assert level.time.tolist() == pytest.approx([0.25, 0.3])


def test_spacing_carries_its_own_time_table():
    q = GaussianForward(VP().build(Facts(), {}).grid(4, "quadratic"))
    assert q.level(torch.tensor([2])).time.tolist() == [0.25]


def test_curves_with_a_constant_signal_are_refused():
    with pytest.raises(ValueError, match="fall strictly"):
        Curve(lambda u: (torch.ones_like(u), torch.ones_like(u))).grid(2)
