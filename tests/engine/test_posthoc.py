"""An average that was not kept, made afterwards of snapshots, is that which would have been kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentoolkit
from gentoolkit.engine.average import exponent
from gentoolkit.engine.models.posthoc import inner, shares, synthesize
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny


def test_inner_products_are_those_of_the_profiles() -> None:
    s = (np.arange(200_000) + 0.5) / 200_000 * 12

    def profile(gamma: float, n: float) -> np.ndarray:
        return np.where(s <= n, (gamma + 1) * s**gamma / n ** (gamma + 1), 0)

    for a in ((6.94, 12.0), (16.97, 5.0), (2.5, 3.0)):
        for b in ((6.94, 12.0), (16.97, 7.0)):
            assert inner(a, b) == pytest.approx((profile(*a) * profile(*b)).sum() * 12 / len(s), rel=1e-3)


def test_a_width_that_was_kept_is_taken_as_it_is() -> None:
    kept = [(exponent(0.05), float(n)) for n in range(10, 101, 10)]
    factors, gap = shares(kept, kept[3])
    np.testing.assert_allclose(factors, np.eye(10)[3], atol=1e-6)
    assert gap < 1e-4


def test_it_is_the_average_that_would_have_been_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentoolkit.engine.models.snapshots.picture", lambda samples, facts: Image.new("L", (1, 1)))
    table = tiny.recipe("ddpm", tmp_path / "run", steps=160, checkpoint_every=160, log_every=160, snapshot_every=4)
    table["sampler"] = {"use": "ancestral", "batch": 2000}
    table["method"] = {"use": "ddpm", "optimizers": {"denoiser": {"use": "adam", "lr": 1e-2}}}
    train({**table, "ema": {"sigma_rel": 0.1, "more": {"wide": {"sigma_rel": 0.15}}}}, quiet=True)
    made = synthesize(tmp_path / "run", tmp_path / "wide", 0.15)
    assert (made.step, made.snapshots) == (160, 40)
    assert made.gap < 0.03
    model = gentoolkit.load(tmp_path / "wide")
    assert (model.weights, model.step) == ("sigma_rel-0.15", 160)
    assert "averaged over the training (sigma_rel-0.15)" in (tmp_path / "wide" / "README.md").read_text()
    narrow, wide = (gentoolkit.load(tmp_path / "run", weights).model.state_dict() for weights in ("ema", "wide"))
    off = apart = 0.0
    for name, value in model.model.state_dict().items():
        off += float((value - wide[name]).square().sum())
        apart += float((narrow[name] - wide[name]).square().sum())
    assert off < 0.02 * apart
    same = gentoolkit.load(synthesize(tmp_path / "run", tmp_path / "same", 0.1, step=80).folder).model.state_dict()
    kept = gentoolkit.load(tmp_path / "run" / "snapshots" / "step-00000080").model.state_dict()
    for name, value in kept.items():
        torch.testing.assert_close(same[name], value, rtol=1e-4, atol=1e-5)
    for width, said in ((0.001, "too few for a width of 0.001 at step 160"), (0.5, "at most 0.28")):
        with pytest.raises(GentoolError, match=said):
            synthesize(tmp_path / "run", tmp_path / "no", width)
    for outside in (1, 161):
        with pytest.raises(GentoolError, match=f"are of steps 4 to 160; step {outside} is not among them"):
            synthesize(tmp_path / "run", tmp_path / "no", 0.1, step=outside)
    with pytest.raises(GentoolError, match="is there already"):
        synthesize(tmp_path / "run", tmp_path / "wide", 0.15)


def test_what_cannot_be_combined(tmp_path: Path) -> None:
    train(tiny.recipe("ddpm", tmp_path / "plain", steps=2), quiet=True)
    train(tiny.recipe("ddpm", tmp_path / "decay", steps=2, snapshot_every=1), quiet=True)
    for run, said in (
        ("nothing", "is no run folder"),
        ("plain", "has no snapshots"),
        ("decay", r"averaged by a power function \(\[ema\] sigma_rel\)"),
    ):
        with pytest.raises(GentoolError, match=said):
            synthesize(tmp_path / run, tmp_path / "no", 0.1)
