from __future__ import annotations

import pytest
from toys import GOOD

from gentoolkit.recipe import find, load, shipped
from gentoolkit.registry import GentoolError


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A gentoolkit of our own, with shipped recipes."""
    import importlib

    module = importlib.import_module("gentoolkit.recipe.find")
    for name in ("quickstart", "digits/ddgan", "digits/ddpm", "base/image"):
        path = tmp_path / "house" / "recipes" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    monkeypatch.setattr(module, "_HERE", tmp_path / "house" / "gentoolkit")
    return tmp_path / "house"


def test_shipped_recipes_by_name_without_base_layers(house):
    assert list(shipped()) == ["digits/ddgan", "digits/ddpm", "quickstart"]
    assert find("digits/ddgan") == house / "recipes/digits/ddgan.toml"


def test_package_data_of_a_wheel_comes_first(house):
    (house / "gentoolkit/recipes").mkdir(parents=True)
    (house / "gentoolkit/recipes/only.toml").write_text(GOOD)
    assert list(shipped()) == ["only"]


def test_a_neighbour_in_site_packages_is_not_ours(house, monkeypatch):
    import importlib

    house.rename(house.parent / "site-packages")
    monkeypatch.setattr(importlib.import_module("gentoolkit.recipe.find"), "_HERE", house.parent / "site-packages/gentoolkit")
    assert shipped() == {}


def test_a_file_comes_before_a_shipped_recipe(house, write, tmp_path):
    write(name="quickstart")
    assert find("quickstart") == tmp_path / "quickstart"


def test_a_run_folder_is_its_recipe(house, write, tmp_path):
    write(name="runs/x/recipe.toml")
    assert find("runs/x") == find(tmp_path / "runs/x/") == tmp_path / "runs/x/recipe.toml"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("quickstrat", "did you mean 'quickstart'?"),
        ("ddgan", "did you mean 'digits/ddgan'"),
        ("digits/ddgan.toml", "did you mean 'digits/ddgan'"),
    ],
)
def test_the_nearest_name_is_told(house, write, name, meant):
    write()
    with pytest.raises(GentoolError) as caught:
        find(name)
    assert meant in str(caught.value)


def test_a_shipped_recipe_is_extended_by_name(house, write):
    made = load(write("extends = ['base/image', 'quickstart']\n[training]\nsteps = 7\n"))
    assert (made.recipe.training.steps, made.recipe.training.batch_size) == (7, 32)
    assert made.recipe.data.source == str(house / "recipes" / "pictures")


def test_an_empty_name_is_told_as_that(house):
    with pytest.raises(GentoolError, match="no recipe is named"):
        find("")
