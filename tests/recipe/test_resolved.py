from __future__ import annotations

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import GOOD, Net

from gentoolkit.recipe import RecipeError, differences, load
from gentoolkit.recipe.differences import in_order
from gentoolkit.registry import GentoolError

RICH = (
    "extends = 'b.toml'\ndrop = ['method.regularizers.r1', 'observers.grid', 'method.extra']\n"
    + GOOD.replace("width = 32", "width = 32\ndropout = 'none'\nstart = 'runs/a'")
    + """
[method.optimizers.denoiser]
use = "sgd"
[method.regularizers."odd name"]
use = "r1"
[metrics.fid]
use = "fid"
[model.latent]
use = "gaussian"
dim = 7
"""
)


@pytest.mark.parametrize("text", [GOOD, RICH, GOOD.replace('"gan"\ndiscriminator = "judge"', '"simple"')])
def test_a_resolved_recipe_resolves_to_itself(write, tmp_path, text):
    first = load(write(text, b=GOOD))
    second = load(write(first.resolved, "elsewhere/recipe.toml"))
    assert second.resolved == first.resolved
    assert (second.recipe, second.facts, second.run_id, second.name) == (first.recipe, first.facts, first.run_id, "r")
    assert differences(first, second) == ()


def test_every_value_is_there_with_its_origin(write):
    made = load(write(RICH, b=GOOD), ["training.steps=5", "data.size=64"])
    table = tomllib.loads(made.resolved)
    assert table["model"]["denoiser"] == {
        "use": "net@1",
        "width": 32,
        "mults": [1, 2],
        "dropout": "none",
        "attention": False,
        "activation": "silu",
        "start": {"path": made.recipe.model.denoiser.start.path, "weights": "ema"},
    }
    assert table["process"]["schedule"] == {"use": "vp@1", "beta_max": 20.0}
    assert table["method"]["regularizers"] == {"odd name": {"use": "r1@1", "gamma": 1.0, "every": 1, "scale_by_every": False}}
    assert table["drop"] == ["method.extra"]
    origins = made.origins
    assert origins["training.steps"] == "argument training.steps=5"
    assert origins["model.denoiser.width"] == "r.toml:9"
    assert origins["model.denoiser.mults"] == "default"
    assert origins["run.name"] == "the file's name"
    assert set(origins) >= {"method.optimizers.denoiser.lr", "ema.decay", "training.clip"}


def test_the_origins_of_a_resolved_recipe_survive_an_argument(write):
    first = load(write())
    second = load(write(first.resolved, "recipe.toml"), ["training.seed=3"])
    assert second.origins["model.denoiser.width"] == "r.toml:7"
    assert second.origins["training.seed"] == "argument training.seed=3"


def test_a_resolved_recipe_extends_nothing(write):
    with pytest.raises(RecipeError, match="a resolved recipe holds every value"):
        load(write("extends = 'b.toml'\nresolved = true\n" + GOOD, b=GOOD))


def test_a_resolved_recipe_can_be_extended(write):
    write(load(write()).resolved, "base.toml")
    made = load(write("extends = 'base.toml'\n[method]\nuse = 'simple'\n[model.denoiser]\nwidth = 16\n", "new.toml"))
    assert (made.recipe.method.name, list(made.recipe.method.optimizers)) == ("simple", ["denoiser"])
    assert made.recipe.model.denoiser.width == 16


def test_structured_recipes_and_dictionaries_load_too(write, tmp_path):
    first = load(write(RICH, b=GOOD))
    again = load(first.recipe)
    assert (again.recipe, again.run_id, again.name) == (first.recipe, first.run_id, "r")
    assert load(tomllib.loads(GOOD)).name == "unnamed"
    assert load(tomllib.loads(GOOD)).run_id == load(write()).run_id
    assert load(first.recipe, ["model.denoiser=plain", "model.latent=none"]).recipe.model.denoiser.name == "plain"


def test_a_component_that_nobody_registered_cannot_be_repeated(write):
    stranger = type("Stranger", (Net,), {"name": ""})
    first = load(write()).recipe
    from attrs import evolve

    with pytest.raises(GentoolError, match="denoiser Stranger is not registered, so no recipe could repeat this run"):
        load(evolve(first, model=evolve(first.model, denoiser=stranger(width=8))))


@pytest.mark.parametrize(
    ("argument", "counts"),
    [
        ("model.denoiser.width=40", True),
        ("training.seed=1", True),
        ("ema.decay=0.5", True),
        ("process.steps=3", True),
        ("method.optimizers.denoiser.lr=0.1", True),
        ("sampler.steps=2", True),
        ("training.micro_batch=8", True),
        ("run.name=x", False),
        ("run.folder=/tmp/x", False),
        ("data.source=elsewhere", False),
        ("training.log_every=7", False),
        ("training.checkpoint_every=7", False),
        ("training.resume=never", False),
        ("training.workers=2", False),
        ("training.parallel=fsdp", False),
        ("observers.grid.every=9", False),
        ("metrics.fid=fid", False),
        ("training.steps=2000", False),
        ("training.steps=10", True),
    ],
)
def test_which_differences_are_changes(write, argument, counts):
    old, new = load(write()), load(write(), [argument])
    found = differences(old, new)
    path = argument.partition("=")[0]
    assert {d.path for d in found if d.path.startswith(path)}
    assert all(d.change == counts for d in found)
    if path != "training.steps":
        assert (old.run_id != new.run_id) == counts


def test_more_steps_are_a_change_where_a_rate_depends_on_them(write):
    text = GOOD + "[method.optimizers.denoiser]\nlr_schedule = 'cosine'\n"
    found = differences(load(write(text)), load(write(text), ["training.steps=2000"]))
    assert [(str(d), d.change) for d in found] == [("training.steps: 1000 -> 2000", True)]


def test_parts_that_come_and_go_are_told(write):
    found = differences(load(write()), load(write(), ["drop=method.regularizers.r1", "model.denoiser.dropout=none"]))
    assert [str(d) for d in found][:2] == [
        'model.denoiser.dropout: 0.1 -> "none"',
        'method.regularizers.r1.use: "r1@1" -> absent',
    ]


def test_what_only_the_new_recipe_has_stands_where_it_stands_there():
    assert in_order(["a", "c", "e"], ["n", "a", "b", "c", "d"]) == ["n", "a", "b", "c", "d", "e"]


def test_the_identity_ignores_how_a_recipe_is_written(write):
    one = load(write())
    other = load(
        write(
            "model.denoiser = {width = 32, use = 'net@1'}\n" + GOOD.replace('[model.denoiser]\nuse = "net"\nwidth = 32\n', "")
        )
    )
    assert one.run_id == other.run_id
    assert len(one.run_id) == 12
    assert int(one.run_id, 16) >= 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(8, 2**40),
    mults=st.lists(st.integers(1, 9), max_size=3),
    dropout=st.none() | st.floats(0, 1, exclude_max=True),
    name=st.text("ab_ .é-", min_size=1).filter(lambda t: t[0] in "abé"),
    lr=st.floats(0, exclude_min=True, allow_infinity=False),
    part=st.text(min_size=1, max_size=5).filter(lambda t: t != "use"),
)
def test_any_values_survive(write, width, mults, dropout, name, lr, part):
    values = tomllib.loads(GOOD)
    values["model"]["denoiser"] |= {"width": width, "mults": mults, "dropout": dropout}
    values["method"] |= {"optimizers": {"denoiser": {"lr": lr}}, "regularizers": {part: "r1"}}
    values["run"] = {"name": name}
    first = load(values)
    again = load(write(first.resolved, "recipe.toml"))
    assert (again.recipe, again.resolved, again.run_id) == (first.recipe, first.resolved, first.run_id)
    assert again.recipe.model.denoiser.dropout == dropout
    assert part in again.recipe.method.regularizers
