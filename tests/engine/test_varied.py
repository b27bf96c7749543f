"""A trained model with another sampler and other metrics: the same weights, and nothing else of the recipe can be changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gentoolkit
from gentoolkit.recipe import RecipeError

from . import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("varied") / "run"
    table = tiny.recipe("ddpm", folder)
    table["metrics"] = {"mixture": {"use": "mixture", "samples": 40}}
    gentoolkit.train(table, quiet=True)
    return folder


def test_another_sampler_is_that_of_a_recipe_that_names_it(run: Path) -> None:
    plain = gentoolkit.load(run)
    ddim = gentoolkit.load(run, overrides=("sampler=ddim", "sampler.steps=2", "sampler.batch=8"))
    assert (ddim.recipe.sampler.name, ddim.recipe.sampler.steps, ddim.batch) == ("ddim", 2, 8)
    assert plain.varied(["sampler=ddim", "sampler.steps=2", "sampler.batch=8"]).recipe.sampler == ddim.recipe.sampler
    assert plain.recipe.sampler.name == "ancestral", "it is another one"
    samples = plain.varied(["sampler=ddim", "sampler.steps=2", "sampler.batch=8"]).sample(20)
    assert torch.equal(samples, ddim.sample(20))
    assert not torch.equal(samples, plain.sample(20))
    varied = ddim.varied(["sampler.steps=3", "metrics.mixture.samples=7"])
    assert varied.model is ddim.model
    assert (varied.recipe.sampler.name, varied.recipe.sampler.steps, varied.batch) == ("ddim", 3, 8), "on top of the first ones"
    assert varied.recipe.metrics["mixture"].samples == 7
    assert gentoolkit.load(run).recipe == plain.recipe, "the run's own recipe is as it was"
    assert plain.loaded.run_id != ddim.loaded.run_id, "samples that were begun with the one are not ended with the other"


def test_a_metric_may_be_added_and_left_out(run: Path) -> None:
    found = gentoolkit.load(run, overrides=["metrics.few.use=mixture", "metrics.few.samples=9", "drop=metrics.mixture"])
    assert {name: m.samples for name, m in found.recipe.metrics.items()} == {"few": 9}
    assert [r.metric for r in gentoolkit.evaluate(found)] == ["few"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.denoiser.width=9", "model.denoiser.width belongs to what was trained"),
        ("data.size=9", "only [sampler] and [metrics] can be changed"),
        ("drop=process", "process belongs to what was trained"),
        ("smapler.steps=2", "did you mean 'sampler.steps'?"),
        ("steps=2", "did you mean 'sampler.steps'?"),
        ("sampler.stps=2", "did you mean 'steps'?"),
        ("sampler.steps=99", "it cannot take 99 steps on a grid of 4"),
        ("metrics.other.samples=3", "no metric is named here"),
        ("sampler.steps", "is no key=value"),
    ],
)
def test_what_does_not_fit_is_told_with_what_was_meant(run: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        gentoolkit.load(run, overrides=[override])
    assert said in str(caught.value)
    with pytest.raises(RecipeError):
        gentoolkit.load(run).varied([override])


def test_all_that_does_not_fit_is_told_at_once(run: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        gentoolkit.load(run, overrides=["training.steps=3", "method=ddgan", "sampler.steps=3"])
    assert [p.path for p in caught.value.problems] == ["training.steps", "method"]
