"""The recipes that come with gentoolkit, under the built-in components."""

from __future__ import annotations

from pathlib import Path

import pytest

from gentoolkit.recipe import RecipeError, differences, load, shipped
from gentoolkit.registry import discover
from gentoolkit.registry.plugins import use

NAMES = sorted(shipped())
DDGAN = "gaussians25/ddgan"


@pytest.fixture(autouse=True)
def built_in(toys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with use(discover([], None)) as registry:
        yield registry


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_sound_and_resolves_to_itself(name, tmp_path):
    first = load(name)
    second = load(first.write(tmp_path / "run").parent)
    assert (second.recipe, second.facts, second.run_id, second.resolved) == (
        first.recipe,
        first.facts,
        first.run_id,
        first.resolved,
    )
    assert differences(first, second) == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_survives_python(name):
    first = load(name)
    again = load(first.recipe)
    assert (again.recipe, again.run_id) == (first.recipe, first.run_id)


@pytest.mark.parametrize("name", ["fig6/gan", "fig6/wgan_gp"])
def test_the_gans_of_fig_6_see_neither_x_1_nor_our_noise(name):
    recipe = load(name).recipe
    assert recipe.process.steps == 1
    assert not recipe.model.denoiser.sees_x_t
    assert not recipe.method.discriminator.sees_x_t
    assert recipe.method.augmentations == {}


@pytest.mark.parametrize(
    ("argument", "said", "hint"),
    [
        ("model.denoiser.widht=3", "no option 'widht' in denoiser 'mlp'", ""),
        ("model.denoiser=mpl", "no denoiser is called 'mpl'", ""),
        ("method.discriminator.width=wide", "option 'width' of discriminator 'mlp' must be a whole number", ""),
        ("method=ddpmm", "no method is called 'ddpmm'", ""),
        ("process.schedule.use=vpp", "no schedule is called 'vpp'", ""),
        ("sampler.steps=5", "sampler 'ancestral' does not fit the rest of the recipe", "steps = 4 or fewer"),
        ("training.precision=bf17", "option 'precision' of [training] must be one of", 'precision = "bf16"'),
        ("ema.decay=1.0", "option 'decay' of [ema] must be < 1", ""),
    ],
)
def test_mistakes_with_the_real_parts(argument, said, hint):
    with pytest.raises(RecipeError) as caught:
        load(DDGAN, [argument])
    (problem,) = caught.value.problems
    assert problem.sentence.startswith(said)
    assert problem.hint == hint
    assert f"| {argument}\n" in str(caught.value)


def test_swapping_the_method_swaps_its_parts():
    made = load(DDGAN, ["method=ddpm"])
    assert made.recipe.method.name == "ddpm"
    assert not hasattr(made.recipe.method, "discriminator")


def test_shipped_files_are_where_a_wheel_or_checkout_has_them():
    assert all(path.is_file() and path.suffix == ".toml" for path in map(Path, shipped().values()))
