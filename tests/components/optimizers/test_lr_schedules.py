"""Learning rates are pure functions of the step, with the values that the formulas give."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.optimizers.lr_schedules import Constant, Cosine, Linear
from gentoolkit.registry import Facts

STEPS, LR = 1000, 2e-4
FACTS = Facts(training_steps=STEPS)
ALL = [Constant(), Constant(warmup_steps=7), Cosine(final=1e-5), Cosine(warmup_steps=100), Linear(final=1e-5, warmup_steps=10)]


def fresh(config, facts=FACTS):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    return optimizer, config.build(facts, {})(optimizer)


def rate(config, step, facts=FACTS):
    optimizer, schedule = fresh(config, facts)
    schedule.step_update(step)
    return optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("config", ALL)
def test_a_fresh_schedule_at_a_step_equals_one_that_went_through_all(config):
    optimizer, schedule = fresh(config)
    for step in range(STEPS):
        schedule.step_update(step)
        if step in (0, 3, 6, 7, 99, 100, 700, 999):
            assert optimizer.param_groups[0]["lr"] == rate(config, step)
    schedule.step_update(42)  # and backwards
    assert optimizer.param_groups[0]["lr"] == rate(config, 42)


@pytest.mark.parametrize("config", ALL)
def test_a_schedule_made_again_on_a_used_optimizer_keeps_its_height(config):
    optimizer, schedule = fresh(config)
    schedule.step_update(900)
    again = config.build(FACTS, {})(optimizer)
    again.step_update(500)
    assert optimizer.param_groups[0]["lr"] == rate(config, 500)


def test_values():
    assert {rate(Constant(), s) for s in (0, 500, 5000)} == {LR}
    middle = (STEPS - 1) / 3
    assert rate(Cosine(final=1e-5), 333) == pytest.approx(1e-5 + (LR - 1e-5) * (1 + math.cos(math.pi * 333 / 999)) / 2)
    assert rate(Linear(final=1e-5), 333) == pytest.approx(LR - (LR - 1e-5) * middle / 999)


@pytest.mark.parametrize(
    "config", [Cosine(final=1e-5), Cosine(final=1e-5, warmup_steps=300), Linear(final=1e-5, warmup_steps=5)]
)
def test_the_last_step_has_the_final_rate_exactly_and_the_one_before_has_not(config):
    assert rate(config, STEPS - 1) == 1e-5 == rate(config, STEPS + 50)
    assert rate(config, STEPS - 2) > 1e-5


@pytest.mark.parametrize("config", [Constant(warmup_steps=9), Cosine(warmup_steps=9), Linear(warmup_steps=9)])
def test_warm_up_rises_evenly_from_the_first_step_to_the_full_rate(config):
    assert [rate(config, s) / LR for s in range(10)] == pytest.approx([(s + 1) / 10 for s in range(10)])


@pytest.mark.parametrize("config", [Constant(), Cosine(), Linear()])
def test_a_run_of_one_or_two_steps_has_a_rate(config):
    for steps in (1, 2):
        assert rate(config, 0, Facts(training_steps=steps)) == LR


def test_only_a_constant_rate_lets_a_run_be_prolonged():
    assert (Constant.constant, Cosine.constant, Linear.constant) == (True, False, False)


def test_a_warm_up_longer_than_the_run_is_refused():
    assert [c[0] for c in Cosine(warmup_steps=999).check(FACTS)] == ["warmup_steps"]
    assert not list(Cosine(warmup_steps=998).check(FACTS))
    assert not list(Linear().check(Facts(training_steps=1)))
