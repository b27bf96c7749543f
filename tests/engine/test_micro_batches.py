"""The size of a micro-batch changes memory and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gentoolkit.engine.train import train
from gentoolkit.recipe import RecipeError, load

from . import tiny
from .test_layout import pictures


def deviating(folder: Path, layout: str = "contiguous", **training: Any) -> dict[str, Any]:
    """DDGAN on digits whose discriminator compares samples with each other, in groups of four."""
    table = pictures("ddgan", folder, **training)
    table["method"]["discriminator"] = {
        "use": "time-conv", "width": 4, "mults": [1, 1], "full": 1, "embedding": 8, "stddev_layout": layout
    }  # fmt: skip
    return table


@pytest.mark.parametrize("method", [*tiny.METHODS, "deviating"])
def test_weights_are_those_of_the_whole_batch(tmp_path: Path, method: str) -> None:
    def recipe(folder: str, **training: Any) -> dict[str, Any]:
        if method == "deviating":
            return deviating(tmp_path / folder, **training)
        return tiny.recipe(method, tmp_path / folder, precision="fp64", **training)

    train(recipe("whole"), quiet=True)
    whole = tiny.state(tmp_path / "whole")[1]
    for micro in (4,) if method == "deviating" else (1, 4):
        train(recipe(f"micro-{micro}", micro_batch=micro), quiet=True)
        assert tiny.largest_difference(tiny.state(tmp_path / f"micro-{micro}")[1], whole) < 1e-12


def test_a_micro_batch_that_would_change_the_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="a device sees 2 samples at once, which groups of 4 do not divide"):
        load(deviating(tmp_path, micro_batch=2))
    with pytest.raises(RecipeError, match="every micro-batch would have groups of its own"):
        load(deviating(tmp_path, "reference", micro_batch=4))
    load(deviating(tmp_path, "reference"))
    # Processes are another matter: that layout is there to repeat what several of them did.
    load(deviating(tmp_path, "reference"), nproc=2)
    with pytest.raises(RecipeError, match="groups of 4 do not divide"):
        load(deviating(tmp_path), nproc=4)


def test_clipping_bounds_the_norm_of_the_whole_batch(tmp_path: Path) -> None:
    largest, moved = 1e-3, {}
    start = None
    for name, training in {"start": {"clip": 1e-300}, "whole": {}, "micro": {"micro_batch": 2}}.items():
        table = tiny.recipe("ddpm", tmp_path / name, steps=1, precision="fp64", **{"clip": largest, **training})
        table["method"] = {"use": "ddpm", "optimizers": {"denoiser": {"use": "sgd", "lr": 1.0, "momentum": 0.0}}}
        train(table, quiet=True)
        state = {k: v for k, v in tiny.state(tmp_path / name)[1].items() if k.startswith("net/")}
        start = start or state
        moved[name] = torch.cat([(state[k] - start[k]).flatten() for k in state])
    assert float(moved["whole"].norm()) == pytest.approx(largest, rel=1e-5)  # torch adds 1e-6 to the norm
    torch.testing.assert_close(moved["micro"], moved["whole"], rtol=1e-9, atol=1e-15)
