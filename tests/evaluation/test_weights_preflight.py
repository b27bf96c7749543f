"""Weights that are missing are said before anything runs; with them `fid` is measured, under the official network's name."""

from __future__ import annotations

from hashlib import sha256

import pytest
from attrs import evolve

import gentoolkit
from gentoolkit.components.features import inception
from gentoolkit.recipe.problems import RecipeError
from gentoolkit.registry import GentoolError

from ..random_weights import inception_file

NAME = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of one step on digits, whose recipe names fid, and fd on random features."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GENTOOL_WEIGHTS", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    recipe = {
        "data": {"use": "digits"},
        "process": {"steps": 2},
        "model": {"denoiser": {"use": "mlp", "width": 8, "depth": 1}},
        "method": {"use": "ddpm"},
        "sampler": {"use": "ancestral", "batch": 4},
        "training": {"steps": 1, "batch_size": 4, "device": "cpu"},
        "metrics": {
            "fid": {"use": "fid", "samples": 4, "real": 5},
            "fd": {"use": "fd", "samples": 6, "features": {"use": "random", "width": 4}},
        },
    }
    return recipe, gentoolkit.train(recipe).folder


def test_fid_from_missing_weights_to_its_number(run, tmp_path, monkeypatch):
    recipe, folder = run
    with pytest.raises(RecipeError, match=NAME):
        gentoolkit.check(recipe, files=True)
    with pytest.raises(GentoolError, match=r"6726825d[\s\S]*GENTOOL_WEIGHTS[\s\S]*nothing was measured"):
        gentoolkit.evaluate(folder)
    assert not (folder / "results.jsonl").exists()
    (fd,) = gentoolkit.evaluate(folder, ["fd"])
    assert fd.protocol.startswith("fd/random-4-0/6/digits-") and "-1797/uint8/ema/" in fd.protocol

    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / NAME).symlink_to(inception_file())
    monkeypatch.setenv("GENTOOL_WEIGHTS", str(weights))
    with pytest.raises(GentoolError, match="is not the file of that name"):
        gentoolkit.evaluate(folder)
    known = sha256(inception_file().read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(inception, "OFFICIAL", evolve(inception.OFFICIAL, sha256=known))
    gentoolkit.check(recipe, files=True)
    (fid,) = gentoolkit.evaluate(folder, ["fid"])
    assert set(fid.values) == {"fid"} and fid.values["fid"] > 0
    assert fid.measure.startswith("fid/inception-2015-12-05/4/digits-") and fid.measure.endswith("-5/uint8")


def test_fid_of_other_features_is_refused_by_the_check(run):
    recipe, _ = run
    recipe["metrics"]["fid"]["features"] = {"use": "inception", "weights": "own.pth"}
    with pytest.raises(RecipeError, match="official Inception network alone"):
        gentoolkit.check(recipe)
