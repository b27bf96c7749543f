from __future__ import annotations

from typing import Literal

import pytest
from toys import GAN, GOOD, R1

from gentoolkit.components.methods import Method
from gentoolkit.recipe import RecipeError, load
from gentoolkit.recipe.parts import part_from, table_of
from gentoolkit.recipe.strict import strict_converter
from gentoolkit.registry import RunRef


@pytest.mark.parametrize(
    ("value", "hint", "made"),
    [
        (3, float, 3.0),
        (3, int, 3),
        (True, bool, True),
        ("3", str, "3"),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([], tuple[int, ...], ()),
        ([1, 2.5], tuple[float, float], (1.0, 2.5)),
        ([["a"]], list[tuple[str, ...]], [("a",)]),
        (None, int | None, None),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        (3, float | int, 3),
        (3.5, int | float, 3.5),
        ("x", int | str, "x"),
        (2, Literal[1, 2], 2),
        ("runs/a", RunRef, RunRef("runs/a")),
        ({"path": "a", "weights": "raw"}, RunRef, RunRef("a", "raw")),
    ],
)
def test_values_of_the_right_type(value, hint, made):
    got = strict_converter().structure(value, hint)
    assert got == made
    assert type(got) is type(made)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("false", bool),
        (1, bool),
        (1.0, int),
        (1.9, int),
        (True, int),
        (True, float),
        ("1", float),
        (1, str),
        ("ab", tuple[str, ...]),
        ([1], tuple[int, int]),
        ([1.5], tuple[int, ...]),
        ({"a": 1}, tuple[str, ...]),
        (None, int),
        ([1], dict[str, int]),
        ({"a": "b"}, dict[str, int]),
        ("3", int | None),
        (True, Literal[1, 2]),
        ([], int | str),
        (3, RunRef),
        ({"path": "a", "weight": "raw"}, RunRef),
        ({"path": "a", "weights": 3}, RunRef),
    ],
)
def test_values_of_another_type_are_refused(value, hint):
    with pytest.raises((ValueError, ExceptionGroup)):
        strict_converter().structure(value, hint)


def test_all_problems_are_told_at_once_in_the_order_of_the_tree(write):
    text = GOOD.replace("size", "sizee").replace("width = 32", "width = 'x'\nmults = [0]\nnew = 1").replace("steps = 1000", "")
    with pytest.raises(RecipeError) as caught:
        load(write(text + "[method.optimizers.denoiser]\nlr = -1\n[sampler]\nuse = 'nobody'\n[metrics.a]\nb = 1\n"))
    assert [p.path for p in caught.value.problems] == [
        "model.denoiser.new",
        "model.denoiser.width",
        "model.denoiser.mults",
        "method.optimizers.denoiser.lr",
        "sampler.use",
        "training.batch_sizee",
        "training.steps",
        "metrics.a",
    ]


def test_options_that_are_tables_of_plain_values(write):
    text = GOOD.replace('use = "gan"\ndiscriminator = "judge"', 'use = "simple"\nweights = { a = 1, b = 0.5 }')
    assert load(write(text)).recipe.method.weights == {"a": 1.0, "b": 0.5}
    with pytest.raises(RecipeError, match="option 'weights' of method 'simple' must be a number"):
        load(write(text), ["method.weights.a=x"])


def test_none_unsets_an_option(write):
    made = load(write(GOOD + "clip = 2\n"), ["training.clip=none", "ema.decay=none"]).recipe
    assert (made.training.clip, made.ema.decay) == (None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'runs/t'", ("runs/t", "ema")),
        ("{ path = 'runs/t', weights = 'raw' }", ("runs/t", "raw")),
        ("'/runs/t'", ("/runs/t", "ema")),
    ],
)
def test_references_to_runs(write, tmp_path, value, expected):
    made = load(write(GOOD.replace("width = 32", f"start = {value}"), "deep/r.toml")).recipe.model.denoiser.start
    assert made == RunRef(str(tmp_path / "deep" / expected[0]), expected[1])


def test_a_run_named_by_a_layer_above_takes_nothing_from_the_one_below(write, tmp_path):
    base = GOOD.replace("width = 32", "start = { path = 'old', weights = 'raw' }")
    made = load(write("extends = 'b.toml'\n[model.denoiser]\nstart = 'new'\n", b=base)).recipe.model.denoiser.start
    assert made == RunRef(str(tmp_path / "new"), "ema")
    made = load(write("extends = 'b.toml'\n[model.denoiser]\nstart.weights = 'ema'\n", b=base)).recipe.model.denoiser.start
    assert made == RunRef(str(tmp_path / "old"), "ema")


def test_paths_are_relative_to_what_names_them(write, tmp_path):
    write("extends = '../b.toml'\n[run]\nfolder = '~/x'\n", "deep/r.toml", b=GOOD)
    assert load("deep/r.toml").recipe.data.source == str(tmp_path / "pictures")
    assert load("deep/r.toml", ["data.source=../x"]).recipe.data.source == str(tmp_path.parent / "x")
    assert load("deep/r.toml", ["data.source=https://a/../b"]).recipe.data.source == "https://a/../b"
    assert load("deep/r.toml").recipe.run.folder.endswith("/x")
    assert "~" not in load("deep/r.toml").recipe.run.folder
    assert load({"extends": "b.toml", "data": {"source": "y"}}).recipe.data.source == str(tmp_path / "y")


def test_pinned_and_plain_names_are_the_same_part(write):
    assert load(write(), ["model.denoiser.use=net@1"]).recipe.model.denoiser.name == "net"
    assert load(write(), ["model.denoiser=acme/unet"]).recipe.model.denoiser.name == "acme/unet"


def test_one_part_apart_from_a_recipe():
    made = part_from(Method, {"use": "gan", "discriminator": "judge", "regularizers": {"x": {"use": "r1", "every": 3}}})
    assert made == GAN(discriminator="judge", regularizers={"r1": R1(gamma=0.5), "x": R1(every=3)})
    assert part_from(Method, table_of(made)) == made
    bare = GAN(discriminator="judge", regularizers={}, extra=None)
    assert part_from(Method, table_of(bare)) == bare
    with pytest.raises(RecipeError) as caught:
        part_from(Method, {"use": "gan", "los": 1, "optimizers": {"denoiser": {"lr": 0}}})
    assert [p.path for p in caught.value.problems] == ["los", "discriminator", "optimizers.denoiser.lr"]
