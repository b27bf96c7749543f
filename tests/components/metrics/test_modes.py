"""The classifier-counted modes, on digits and stacked digits; the classifier is trained once."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from gentoolkit.components.data.digits import Digits, StackedDigits
from gentoolkit.components.metrics.modes import Modes
from gentoolkit.registry import Facts


def facts_of(data, name):
    return Facts().with_({**data.offer(Facts()), "data": name})


def prepared(data, name):
    facts = facts_of(data, name)
    real = data.build(facts, {})
    metric = Modes().build(facts, {})
    metric.prepare(real)
    return metric, real


@pytest.fixture(scope="module")
def digits():
    return prepared(Digits(), "digits")


@pytest.fixture(scope="module")
def stacked():
    return prepared(StackedDigits(), "stacked-digits")


def judged(trained, samples):
    metric = copy.deepcopy(trained[0])
    metric.add(metric.see(samples))
    return metric


def real_samples(real, n):
    return torch.stack([real[i]["x_0"] for i in range(n)]).float() / 127.5 - 1


def test_the_classifier_is_right_and_sure_on_digits_it_has_not_seen(digits):
    metric, real = digits
    order = np.random.Generator(np.random.Philox(key=0)).permutation(1797)
    distinct, first = np.unique(real_samples(real, 1797).numpy().reshape(1797, -1), axis=0, return_index=True)
    assert len(distinct) == 1797
    assert metric.judge.accuracy >= 0.97
    held_out = order[:359]
    found, probability = metric.judge(distinct[held_out] / 2 + 0.5)
    assert (found == real.labels()[first][held_out]).mean() == pytest.approx(metric.judge.accuracy)
    assert (probability > 0.9).mean() >= 0.9


def test_real_digits_are_classified_cover_all_classes_and_have_no_kl(digits):
    values = judged(digits, real_samples(digits[1], 1797)).compute()
    assert values["classified"] > 0.95
    assert values["modes"] == 10
    assert values["kl"] < 1e-3


def test_noise_grey_and_black_are_not_digits(digits):
    noise = torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for junk in (noise, torch.zeros(500, 1, 8, 8), -torch.ones(500, 1, 8, 8), torch.full((500, 1, 8, 8), float("nan"))):
        values = judged(digits, junk).compute()
        assert values["classified"] < 0.02
        assert values["modes"] <= 1
        assert values["kl"] > 0.5


def test_a_collapsed_model_shows_as_one_mode(digits):
    real = digits[1]
    zeros = torch.tensor(np.flatnonzero(real.labels() == 0))
    values = judged(digits, real_samples(real, 1797)[zeros]).compute()
    assert values["modes"] == 1
    assert values["kl"] == pytest.approx(-math.log(len(zeros) / 1797), abs=0.05)


def test_halves_that_others_saw_equal_the_whole_and_the_protocol_tells_all(digits):
    x = real_samples(digits[1], 400)
    whole, left, other = judged(digits, x), judged(digits, x[:130]), copy.deepcopy(digits[0])
    left.add(other.see(x[130:]))
    assert left.compute() == whole.compute()
    expected = f"modes/rbf-logistic-500/held-out-{whole.judge.accuracy:.3f}/digits-{digits[1].fingerprint()[:8]}/over-0.9/400"
    assert left.protocol == whole.protocol == expected


def test_stacked_digits_have_a_thousand_modes_channel_by_channel(stacked):
    metric, real = stacked
    assert metric.judge.accuracy >= 0.97
    assert metric.share.sum() == pytest.approx(1)
    assert len(metric.share) == 1000
    values = judged(stacked, real_samples(real, 8000)).compute()
    assert values["classified"] > 0.85
    assert values["modes"] >= 990
    assert values["kl"] == pytest.approx(999 / (2 * 8000), rel=0.3)  # that of a finite sample of the truth


def test_a_stacked_sample_has_the_label_of_its_channels(stacked):
    _, real = stacked
    metric = judged(stacked, real_samples(real, 50))
    expected = np.bincount(real.labels()[:50], minlength=1000)
    assert np.abs(metric.all - expected).sum() <= 4


def test_grey_copies_of_digits_cover_ten_of_the_thousand(stacked, digits):
    grey = real_samples(digits[1], 600).expand(-1, 3, -1, -1)
    metric = judged(stacked, grey)
    assert set(np.flatnonzero(metric.sure)) == {111 * d for d in range(10)}


def test_data_without_labels_is_refused():
    assert [c[0] for c in Modes().check(Facts(labels=None))] == ["use"]
    assert [c[0] for c in Modes().fits(Facts(kind="points", shape=(2,)))] == ["use"]
    facts = facts_of(Digits(), "digits")
    assert not [*Modes().check(facts), *Modes().fits(facts)]
