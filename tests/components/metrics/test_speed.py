"""The speed metric counts, times and describes; the model and sampler are small stand-ins that keep the contract."""

from __future__ import annotations

import time

import pytest
import torch
from attrs import evolve, frozen
from torch import nn

from gentoolkit.components.metrics.speed import Speed
from gentoolkit.registry import Facts


@frozen
class State:
    t: int
    x: torch.Tensor
    evaluations: int = 0


class Sampler:
    """Three evaluations, each of them at least 2 ms a batch."""

    def __init__(self):
        self.batches, self.conditions, self.training = [], [], []

    def start(self, model, shape, rng, condition):
        self.batches.append(len(rng))
        self.conditions.append(condition)
        self.training.append(model.training)
        return State(3, rng.normal("x", shape))

    def step(self, model, state, rng, condition):
        assert not torch.is_grad_enabled()
        time.sleep(0.002)
        return evolve(state, t=state.t - 1, x=model(state.x), evaluations=state.evaluations + 1)


@pytest.fixture
def measured():
    model, sampler = nn.Linear(2, 2).double(), Sampler()
    stopwatch = Speed(batches=(1, 5), warmup=2, repeats=3).build(Facts(), {})
    facts = Facts(kind="points", shape=(2,), classes=3, tensors={"mask": (4,)})
    return stopwatch.measure(model, sampler, facts), stopwatch, sampler, model


def test_numbers(measured):
    values, _, _, _ = measured
    assert values["evaluations"] == 3
    assert values["parameters"] == 6
    for batch in (1, 5):
        low, middle, high = (values[f"ms_batch_{batch}{end}"] for end in ("_q1", "", "_q3"))
        assert 6 <= low <= middle <= high < 1000
    assert 10 < values["peak_memory_mib"] < 1e5


def test_every_draw_is_a_whole_batch_in_evaluation_mode_with_a_condition(measured):
    _, _, sampler, model = measured
    assert sampler.batches == [1] * 5 + [5] * 5
    assert not any(sampler.training)
    assert model.training
    last = sampler.conditions[-1]
    assert last.y.tolist() == [0, 1, 2, 0, 1]
    assert tuple(last.tensors["mask"].shape) == (5, 4)


def test_the_protocol_tells_device_dtype_batches_and_repeats(measured):
    _, stopwatch, _, _ = measured
    assert stopwatch.protocol.startswith("speed/")
    assert stopwatch.protocol.count("/") == 4
    assert stopwatch.protocol.endswith("-threads/float64/batch-1+5/median-of-3")
