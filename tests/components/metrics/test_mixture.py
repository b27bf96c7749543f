"""The mixture metric counts what its formulas say."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.data.gaussians25 import MEANS, STD, Gaussians25
from gentoolkit.components.metrics.mixture import Mixture
from gentoolkit.registry import Facts

FACTS = Facts().with_({**Gaussians25().offer(Facts()), "data": "gaussians25"})
AT = torch.tensor(MEANS, dtype=torch.float64)


def judged(samples):
    metric = Mixture().build(FACTS, {})
    metric.prepare(None)
    metric.add(metric.see(samples))
    return metric


def test_the_data_itself_is_of_high_quality_and_covers_every_mode():
    points = Gaussians25(size=20_000).build(FACTS, {})
    metric = judged(torch.stack([points[i]["x_0"] for i in range(20_000)]))
    values = metric.compute()
    assert values["high_quality"] == pytest.approx(1 - math.exp(-8), abs=5e-4)  # the golden 0.9997
    assert values["modes"] == 25
    assert 0 <= values["kl"] < 3 * 24 / (2 * 20_000)
    assert metric.protocol == "mixture/gaussians25/25-modes/20000/4-std"


def test_uniform_noise_is_of_high_quality_by_chance_only():
    noise = (torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)) * 10 - 5) / 2.828
    chance = math.pi * (4 * 0.05) ** 2 / 2**2
    assert judged(noise).compute()["high_quality"] == pytest.approx(chance, abs=0.004)


def test_one_mode_is_perfect_quality_and_no_coverage():
    values = judged(AT[12].repeat(20_000, 1)).compute()
    assert values == {"high_quality": 1.0, "modes": 1, "kl": pytest.approx(math.log(25))}


def test_the_radius_is_four_standard_deviations():
    away = AT[[0, 0]] + torch.tensor([[3.999, 0], [4.001, 0]], dtype=torch.float64) * STD
    assert judged(away).compute()["high_quality"] == 0.5


def test_a_mode_needs_ten_of_twenty_thousand():
    def modes(few, n):
        return judged(torch.cat([AT[3].repeat(few, 1), AT[4].repeat(n - few, 1)])).compute()["modes"]

    assert (modes(9, 20_000), modes(10, 20_000)) == (1, 2)
    assert (modes(4, 10_000), modes(5, 10_000)) == (1, 2)
    assert (modes(0, 100), modes(1, 100)) == (1, 2)


def test_kl_of_a_known_histogram():
    samples = torch.cat([AT[0].repeat(300, 1), AT[1].repeat(100, 1)])
    expected = 0.75 * math.log(0.75 * 25) + 0.25 * math.log(0.25 * 25)
    assert judged(samples).compute()["kl"] == pytest.approx(expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 50.0])
def test_bad_points_count_as_bad(bad):
    values = judged(torch.full((10, 2), bad)).compute()
    assert values == {"high_quality": 0.0, "modes": 0, "kl": pytest.approx(math.log(25))}


def test_halves_that_others_saw_equal_the_whole():
    x = torch.cat([AT.repeat(8, 1), torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))])
    whole, left, other = judged(x), judged(x[:150]), judged(x[:0])
    left.add(other.see(x[150:]))
    assert left.compute() == whole.compute()
    assert left.protocol == whole.protocol


def test_data_that_is_no_mixture_is_refused():
    images = Facts(data="digits")
    assert [c[0] for c in Mixture().check(images)] == ["use"]
    assert [c[0] for c in Mixture().fits(images)] == ["use"]
    assert not [*Mixture().check(FACTS), *Mixture().fits(FACTS)]
