from __future__ import annotations

import sys

import pytest
from toys import GOOD

from gentoolkit.recipe import RecipeError, load
from gentoolkit.recipe.layers import from_file, from_python, with_arguments
from gentoolkit.recipe.nodes import at, closest, plain


def tree(write, text, *arguments, **files):
    return with_arguments(from_file(write(text, **files)), arguments)


def test_tables_merge_key_by_key_and_anything_else_replaces(write):
    made = tree(
        write, "extends = 'b.toml'\n[t]\na = 1\nlist = [3]\n[t.in]\nx = 1", b="[t]\na = 0\nb = 2\nlist = [1, 2]\nin.y = 2"
    )
    assert plain(made) == {"t": {"a": 1, "b": 2, "list": [3], "in": {"x": 1, "y": 2}}}


def test_a_different_use_replaces_the_whole_table(write):
    made = tree(write, "extends = 'b.toml'\n[p]\nuse = 'two'\nz = 3", b="[p]\nuse = 'one'\nx = 1\ny.deep = 2")
    assert plain(made) == {"p": {"use": "two", "z": 3}}


def test_the_same_use_merges(write):
    made = tree(write, "extends = 'b.toml'\n[p]\nuse = 'one'\nz = 3", b="[p]\nuse = 'one'\nx = 1")
    assert plain(made) == {"p": {"use": "one", "x": 1, "z": 3}}


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ("p = 'one'", "p.x = 1", {"use": "one", "x": 1}),
        ("p = {use = 'one', x = 1}", "p = 'one'", {"use": "one", "x": 1}),
        ("p = {use = 'one', x = 1}", "p = 'two'", {"use": "two"}),
        ("p = 'one'", "p = 'two'", "two"),
        ("p = 3", "p.x = 1", {"x": 1}),
        ("p.x = 1", "p = 3", 3),
    ],
)
def test_a_name_is_short_for_a_table(write, lower, upper, expected):
    assert plain(tree(write, f"extends = 'b.toml'\n{upper}", b=lower))["p"] == expected


def test_later_layers_of_a_list_win_and_each_value_keeps_its_origin(write):
    made = tree(
        write,
        "extends = ['b.toml', 'deep/c.toml']\nx = 3",
        b="y = 1\nz = 1",
        deep__c="extends='d.toml'\n\nz = 2",
        deep__d="w = 0",
    )
    assert plain(made) == {"y": 1, "z": 2, "w": 0, "x": 3}
    origins = {key: str(at(made, (key,)).origin) for key in "wxyz"}
    assert origins == {"w": "deep/d.toml:1", "x": "r.toml:2", "y": "b.toml:1", "z": "deep/c.toml:3"}


def test_the_name_and_folder_of_a_run_are_not_inherited(write):
    made = tree(write, "extends = 'b.toml'\nx = 1", b="y = 1\n[run]\nname = 'b'\nfolder = 'there'\n[run.more]\nz = 2")
    assert plain(made) == {"x": 1, "y": 1, "run": {"more": {"z": 2}}}
    assert plain(tree(write, "extends = 'b.toml'\n[run]\nname = 'mine'", b="[run]\nname = 'b'"))["run"] == {"name": "mine"}


def test_arguments_are_one_layer_above_the_file(write):
    made = tree(
        write, "[p]\nuse = 'one'\nx = 1\n[t]\nn = 1", "p.y=2", "p=two", "t.n=2", "t.n=3", "t.s=bare word", "t.l=[1, 'a']"
    )
    assert plain(made) == {"p": {"use": "two", "y": 2}, "t": {"n": 3, "s": "bare word", "l": [1, "a"]}}
    assert str(at(made, ("t", "n")).origin) == "argument t.n=3"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("675_000", 675_000),
        ("true", True),
        ("True", "True"),
        ("", ""),
        ("'a b'", "a b"),
        ("a/b.toml", "a/b.toml"),
        ("2026-01-02", "2026-01-02"),
        ("{ use = 'x' }", {"use": "x"}),
        ("s3://a/b?c=d", "s3://a/b?c=d"),
        ("[1,\n2]", [1, 2]),
        ("1\ny = 2", "1\ny = 2"),
        ("1 # one", "1 # one"),
        ("a # b", "a # b"),
    ],
)
def test_values_of_arguments(text, value):
    assert plain(with_arguments(from_python({}), [f"a={text}"])) == {"a": value}


def test_drop_removes_what_is_inherited_and_what_is_written_after_it_stays(write):
    made = load(
        write(
            "extends = 'b.toml'\ndrop = ['method.regularizers.r1', 'model.denoiser.width', 'training.clip']\n",
            b=GOOD + "clip = 2.0\n",
        )
    )
    assert made.recipe.method.regularizers == {}
    assert (made.recipe.model.denoiser.width, made.recipe.training.clip) == (64, None)


def test_drop_of_a_default_part_and_a_new_one_in_its_place(write):
    made = load(
        write("extends = 'b.toml'\ndrop = ['observers.grid', 'method.extra']\n[observers.grid]\nuse = 'loss-per-step'", b=GOOD)
    )
    assert {k: v.name for k, v in made.recipe.observers.items()} == {"grid": "loss-per-step", "loss_per_step": "loss-per-step"}
    assert made.recipe.method.extra is None


def test_a_table_in_the_place_of_a_dropped_one_inherits_nothing(write):
    with pytest.raises(RecipeError, match="no observer is named here"):
        load(write("extends = 'b.toml'\ndrop = ['observers.grid']\n[observers.grid]\nevery = 5", b=GOOD))


def test_drop_as_an_argument(write):
    assert load(write(), ["drop=method.regularizers.r1"]).recipe.method.regularizers == {}


def test_defaults_of_a_part_lie_below_its_table(write):
    text = GOOD + "[method.optimizers.denoiser]\nlr = 1e-3\nlr_schedule = 'cosine'\n"
    text += "[method.regularizers.r1]\nevery = 4\n[observers.grid]\nevery = 7"
    made = load(write(text)).recipe
    adam = made.method.optimizers["denoiser"]
    assert (adam.name, adam.lr, adam.betas, adam.lr_schedule.name) == ("adam", 1e-3, (0.5, 0.9), "cosine")
    assert made.method.optimizers["discriminator"].lr == 2e-4
    assert (made.method.regularizers["r1"].gamma, made.method.regularizers["r1"].every) == (0.5, 4)
    assert made.observers["grid"].every == 7


def test_another_use_takes_nothing_from_the_default_nor_from_layers_that_meant_it(write):
    made = load(
        write(
            "extends = 'b.toml'\n[method.optimizers.denoiser]\nuse = 'sgd'", b=GOOD + "[method.optimizers.denoiser]\nlr = 1e-3"
        )
    )
    assert (made.recipe.method.optimizers["denoiser"].name, made.recipe.method.optimizers["denoiser"].lr) == ("sgd", 0.1)
    made = load(
        write(
            "extends = 'b.toml'\n[method.optimizers.denoiser]\nuse = 'adam'", b=GOOD + "[method.optimizers.denoiser]\nlr = 1e-3"
        )
    )
    assert (made.recipe.method.optimizers["denoiser"].lr, made.recipe.method.optimizers["denoiser"].betas) == (1e-3, (0.5, 0.9))


def test_an_override_that_changes_use_leaks_no_old_keys(write):
    made = load(write(), ["model.denoiser=plain"]).recipe
    assert (made.model.denoiser.name, made.model.denoiser.width) == ("plain", 8)
    assert load(write(), ["model.denoiser.use=plain", "model.denoiser.width=9"]).recipe.model.denoiser.width == 9


def test_a_plugins_recipe_is_extended_by_name(write, tmp_path, monkeypatch):
    write("extends = 'acme/deep/base'\n[training]\nsteps = 5", acme_recipes__deep__base=GOOD, acme_recipes__other="")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_recipes", raising=False)
    made = load("r.toml")
    assert (made.recipe.training.steps, made.recipe.training.batch_size, made.name) == (5, 32, "r")
    assert made.recipe.data.source == str(tmp_path / "acme_recipes" / "deep" / "pictures")
    assert load("acme/deep/base").name == "base"
    with pytest.raises(RecipeError, match="plugin 'acme' has no recipe 'deep/bsae'; did you mean 'acme/deep/base'"):
        load({"extends": "acme/deep/bsae"})


def test_a_list_of_lists_of_files_is_bounded(write):
    files = {f"f{n}": f"extends = ['f{n + 1}.toml', 'f{n + 1}.toml']" for n in range(40)}
    with pytest.raises(RecipeError, match="at most 64 files"):
        load(write("extends = 'f0.toml'", **files, f40=""))


def test_the_nearest_place_of_what_is_not_written(write):
    made = tree(write, "[a]\nuse = 'x'\n[b]\ny = 1\n")
    assert [
        (str(o), exact) for o, exact in (closest(made, ("a", "q")), closest(made, ("b", "q", "r")), closest(made, ("b", "y")))
    ] == [
        ("r.toml:2", False),
        ("r.toml:3", False),
        ("r.toml:4", True),
    ]
