"""Constructed generators on the digits, and what the metrics say of each: half of the digits are the training data.

perfect      the other half            memorising    training images
one image    the same one always       one class     the zeros of the other half
blurred      the other half, smoothed  noise         uniform pixels
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from gentoolkit.components.data.arrays import ImageArrays
from gentoolkit.components.data.digits import Digits
from gentoolkit.components.data.drawn import digit_arrays
from gentoolkit.components.metrics import Metric
from gentoolkit.engine.assemble import build
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples.measuring import Panel, prepare
from gentoolkit.registry import Facts, component_from

BLUR = 0.6
FACTS = Facts().with_({**Digits().offer(Facts()), "data": "digits"})
METRICS = {
    "prc": {"use": "precision-recall"},
    "dc": {"use": "density-coverage"},
    "neighbours": {"use": "neighbours"},
    "modes": {"use": "modes"},
    "fd": {"use": "fd"},
}


@cache
def halves():
    images, labels = digit_arrays()
    order = np.random.Generator(np.random.Philox(key=5)).permutation(len(images))
    return [(images[part], labels[part]) for part in (order[:898], order[898:1796])]


def generated(name):
    (train, _), (held_out, labels) = halves()
    x = torch.from_numpy(train if name == "memorising" else held_out).float() / 127.5 - 1
    if name == "one image":
        x = x[:1].expand(898, -1, -1, -1)
    if name == "one class":
        zeros = x[torch.from_numpy(labels == 0)]
        x = zeros.repeat(10, 1, 1, 1)[:898]
    if name == "blurred":
        x = BLUR * avg_pool2d(x, 3, 1, 1, count_include_pad=False) + (1 - BLUR) * x
    if name == "noise":
        x = torch.rand(898, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return x


@cache
def verdict(name):
    metrics = {n: build(component_from(Metric, table), FACTS, {}, None) for n, table in METRICS.items()}
    real = ImageArrays(*halves()[0])
    prepare(metrics, real, World(0, 1, torch.device("cpu")))
    panel = Panel(metrics, dict.fromkeys(metrics, 898))
    samples = generated(name)
    for first in range(0, 898, 300):
        panel.add(panel.see(samples[first : first + 300], first), first)
    return {f"{n}/{k}": v for n, found in panel.compute().items() for k, v in found.items()}


BROKEN = ("one image", "one class", "blurred", "noise")


def test_perfect_is_best_of_all_that_copy_nothing():
    """Precision and density alone are not asked: samples that keep to the densest place have more of both."""
    perfect = verdict("perfect")
    assert perfect["prc/precision"] > 0.85 and perfect["prc/recall"] > 0.85
    assert perfect["dc/density"] == pytest.approx(1, abs=0.1) and perfect["dc/coverage"] > 0.9
    assert perfect["neighbours/distance_ratio"] == pytest.approx(1, abs=0.05)
    assert perfect["neighbours/copied"] < 0.02
    assert perfect["modes/modes"] == 10 and perfect["modes/kl"] < 0.05
    for name in BROKEN:
        other = verdict(name)
        for value in ("prc/recall", "prc/f_score", "dc/coverage"):
            assert perfect[value] > other[value], (name, value)
        assert abs(perfect["neighbours/distance_ratio"] - 1) < abs(other["neighbours/distance_ratio"] - 1)
        assert verdict("perfect")["fd/fd"] < verdict(name)["fd/fd"]


@pytest.mark.parametrize("name", ["one image", "one class"])
def test_collapsed_has_precision_without_recall_and_coverage(name):
    values = verdict(name)
    assert values["prc/precision"] > 0.85 and values["modes/classified"] > 0.85
    assert values["prc/recall"] < 0.05 and values["dc/coverage"] < 0.12
    assert values["modes/modes"] == 1 and values["modes/kl"] > 2
    assert values["neighbours/copied"] < 0.02


def test_memorising_is_perfect_by_all_but_neighbours():
    values = verdict("memorising")
    assert verdict("memorising")["fd/fd"] < 1e-6 < verdict("perfect")["fd/fd"]
    assert values["prc/precision"] == values["prc/recall"] == values["dc/coverage"] == 1
    assert values["modes/modes"] == 10 and values["modes/classified"] > 0.95
    assert values["neighbours/copied"] == 1 and values["neighbours/authenticity"] == 0
    assert values["neighbours/distance_ratio"] < 1e-3
    assert all(verdict(name)["neighbours/copied"] < 0.02 for name in ("perfect", *BROKEN))


def test_blurred_loses_precision_and_frechet_distance_and_keeps_its_modes():
    values, perfect = verdict("blurred"), verdict("perfect")
    assert values["prc/precision"] < perfect["prc/precision"] - 0.1
    assert verdict("blurred")["fd/fd"] > 4 * verdict("perfect")["fd/fd"]
    assert values["modes/modes"] == 10 and values["modes/kl"] < 0.05


def test_noise_is_worst_of_all():
    values = verdict("noise")
    for name in ("perfect", "memorising", "one image", "one class", "blurred"):
        other = verdict(name)
        for value in ("prc/precision", "dc/density", "dc/coverage", "modes/classified", "modes/modes"):
            assert values[value] < other[value], (name, value)
        assert values["prc/recall"] <= other["prc/recall"]
        assert values["neighbours/distance_ratio"] > other["neighbours/distance_ratio"]
    assert verdict("noise")["fd/fd"] > 4 * max(verdict(name)["fd/fd"] for name in ("perfect", "memorising", "blurred"))


if __name__ == "__main__":  # the table of docs/explanation/trilemma.md
    names = ("perfect", "memorising", "one image", "one class", "blurred", "noise")
    rows = {value: [verdict(name)[value] for name in names] for value in verdict("perfect")}
    lines = [f"| {value} | " + " | ".join(f"{abs(round(v, 2)):.2f}" for v in cells) + " |" for value, cells in rows.items()]
    sys.stdout.write("\n".join(lines) + "\n")
