"""The denoising gap against closed forms, and the oracle as a model."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.metrics.denoising_gap import DenoisingGap
from gentoolkit.components.metrics.step_gaps import gap, spread
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward, MixtureOracle
from gentoolkit.registry import Facts

FACTS = Facts().with_({**Gaussians25().offer(Facts()), "data": "gaussians25"})


class Steps(nn.Module):
    """A step model whose step is the oracle's, or the best Gaussian one, moved by `shift`."""

    def __init__(self, T, exact, shift=0.0, mixture=FACTS.mixture):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        curve = VP().build(Facts(steps=T), {})
        self.process = GaussianForward(curve.grid(T), curve)
        self.oracle, self.exact, self.shift = MixtureOracle.of(self.process, mixture), exact, shift

    def step(self, x_t, t, s, rng, condition):
        assert not self.training
        if self.exact:
            return self.oracle.step(x_t, t, s, rng) + self.shift
        return self.oracle.gaussian(x_t, t, s).rsample(rng)


def measured(model, T, facts=FACTS, **options):
    metric = DenoisingGap(**options).build(facts, {})
    return metric.measure(model, None, facts.with_({"steps": T})), metric


def test_the_oracle_itself_has_no_gap_but_chance_and_a_gaussian_step_has_the_more_the_longer_it_is():
    exact, metric = measured(Steps(4, True), 4, points=200)
    assert set(exact) == {"gap_t1", "gap_t2", "gap_t3", "gap_t4", "gap", "floor"}
    assert exact["floor"] < 0.005
    assert all(abs(v) < 0.005 for v in exact.values())
    assert metric.protocol == "denoising-gap/energy/gaussians25/200x64/4-of-4"
    few, many = (measured(Steps(T, False), T, points=200, draws=32)[0] for T in (4, 64))
    assert (
        few["gap_t2"] > 0.01 > 2 * max(value for name, value in many.items() if name.startswith("gap_t") and name != "gap_t1")
    )
    assert min(few["gap_t1"], many["gap_t1"]) > 0.25 > 20 * exact["floor"], "a point is no draw of q(x_0 | x_1)"


def test_one_gaussian_moved_by_a_known_distance_has_the_gap_of_the_closed_form():
    one = {"means": ((0.0,),), "std": 1.0, "weights": (1.0,)}
    facts = FACTS.with_({"mixture": one, "shape": (1,), "data": "one"})
    model = Steps(2, True, shift=0.7, mixture=one)
    values, _ = measured(model, 2, facts, points=400, draws=64)
    for t in (1, 2):
        at = torch.tensor([t])
        _, _, spread_0 = model.oracle.components(torch.zeros(1, 1), at)
        c_x0, _, variance = model.process.posterior_coefficients(at, at - 1)
        std = math.sqrt(2 * float(c_x0**2 * spread_0 + variance))  # of the difference of two draws
        same = std * math.sqrt(2 / math.pi)
        apart = same * math.exp(-(0.7**2) / (2 * std**2)) + 0.7 * math.erf(0.7 / (std * math.sqrt(2)))
        assert values[f"gap_t{t}"] == pytest.approx(1 - same / apart, abs=0.01)


def test_points_apart_have_a_gap_of_one_and_the_same_point_of_none():
    at = torch.zeros(3, 5, 2, dtype=torch.float64)
    assert gap(at, at + 1) == pytest.approx(1)
    assert gap(at, at) == 0


def test_the_chosen_t_are_even_with_both_ends():
    assert spread(4, 8) == [1, 2, 3, 4]
    assert spread(100, 4) == [1, 34, 67, 100]
    assert spread(100, 1) == [1]


def test_data_that_is_no_mixture_is_refused():
    assert [c[0] for c in DenoisingGap().check(Facts(kind="points", shape=(2,)))] == ["use"]
    assert not [*DenoisingGap().check(FACTS), *DenoisingGap().fits(FACTS)]
