from __future__ import annotations

import shutil

import pytest
from toys import GOOD

from gentoolkit.recipe import RecipeError, differences, load
from gentoolkit.registry import GentoolError, get_registry

CODE = '''\
from __future__ import annotations

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.registry import component, opt


@component
class MyNet(Denoiser):
    """A network of mine."""

    width: int = opt(4, "channels")


def helper():
    return 1
'''
RECIPE = GOOD.replace('"net"', '"local/MyNet"') + "[local]\nmodules = ['mine/net.py']\n"


@pytest.fixture
def code(tmp_path):
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "net.py"
    path.write_text(CODE)
    return path


def test_components_of_a_file_are_used_by_class_name(write, code):
    made = load(write(RECIPE))
    net = made.recipe.model.denoiser
    assert (net.name, net.width, net.slot) == ("local/MyNet", 32, "denoiser")
    assert [f.path for f in made.local] == [code]
    assert 'use = "local/MyNet@1"' in made.resolved
    assert f'modules = ["{code}"]' in made.resolved
    assert [e.summary for e in get_registry().entries("denoiser", only="local")] == ["A network of mine."]


def test_the_same_file_gives_the_same_class_and_a_changed_one_another(write, code):
    first, second = load(write(RECIPE)), load(write(RECIPE))
    assert type(first.recipe.model.denoiser) is type(second.recipe.model.denoiser)
    code.write_text(CODE.replace("opt(4", "opt(5"))
    third = load(write(RECIPE))
    assert type(third.recipe.model.denoiser) is not type(first.recipe.model.denoiser)
    assert third.run_id != first.run_id
    assert [(d.path, d.change) for d in differences(first, third)] == [("local.modules", True)]


def test_local_components_do_not_outlive_their_recipe(write, code):
    load(write(RECIPE))
    with pytest.raises(RecipeError, match="the recipe names no file of yours"):
        load(write(RECIPE.partition("[local]")[0]))


def test_a_run_folder_holds_copies_and_is_loaded_from_them(write, code, tmp_path):
    first = load(write(RECIPE))
    first.write(tmp_path / "runs" / "x")
    assert (tmp_path / "runs/x/local/net.py").read_text() == CODE
    shutil.rmtree(tmp_path / "mine")
    shutil.move(tmp_path / "runs" / "x", tmp_path / "moved")
    second = load("moved")
    assert (second.run_id, second.recipe.model.denoiser.width, second.name) == (first.run_id, 32, "r")
    assert differences(first, second) == ()
    second.write(tmp_path / "moved")  # as a resumed run does, over itself
    assert load("moved").run_id == first.run_id


def test_two_files_of_one_name_are_both_copied(write, code, tmp_path):
    (tmp_path / "net.py").write_text(CODE.replace("MyNet", "Other"))
    made = load(write(RECIPE.replace("['mine/net.py']", "['mine/net.py', 'net.py']")))
    made.write(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run/local").iterdir()) == ["net.py", "net_2.py"]
    assert len(load("run").local) == 2


def test_a_file_that_changed_meanwhile_is_not_copied(write, code, tmp_path):
    made = load(write(RECIPE))
    code.write_text("")
    with pytest.raises(GentoolError, match=r"mine/net\.py has changed since it was loaded"):
        made.write(tmp_path / "run")


def test_untrusted_code_is_listed_and_not_run(write, code):
    code.write_text("raise SystemExit('run!')")
    with pytest.raises(RecipeError) as caught:
        load(write(RECIPE), trust_local=False)
    assert "it would run mine/net.py" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "mine/net.py cannot be read"),
        ("x = (1,\n", "mine/net.py:1: SyntaxError"),
        ("import math\n\n\ndef f():\n    return nothing\n\n\nf()\n", "mine/net.py:5: NameError: name 'nothing' is not defined"),
        ("import no_such_module\n", "mine/net.py:1: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "mine/net.py:2: SystemExit: 3"),
        ("x = '\0'\n", "mine/net.py"),
        (CODE.replace('    """A network of mine."""', ""), "mine/net.py:7: TypeError: component MyNet needs a docstring"),
    ],
)
def test_files_that_cannot_be_used(write, code, content, message):
    code.unlink()
    if content is not None:
        code.write_text(content)
    with pytest.raises(RecipeError) as caught:
        load(write(RECIPE))
    (problem,) = caught.value.problems
    assert problem.sentence.startswith(message)
    assert problem.path == "local.modules"
    assert str(problem.origin) == "r.toml:17"


def test_two_files_with_one_class_are_refused(write, code, tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    with pytest.raises(RecipeError, match=r"error: mine/net\.py and net\.py both define denoiser 'MyNet'"):
        load(write(RECIPE.replace("['mine/net.py']", "['mine/net.py', 'net.py']")))


def test_a_file_named_twice_and_a_class_of_two_names_are_no_mistake(write, code):
    code.write_text(CODE + "\n\nOther = MyNet\n")
    made = load(write(RECIPE.replace("['mine/net.py']", "['mine/net.py', 'mine/net.py']")))
    assert [f.path for f in made.local] == [code]
    assert [e.name for e in get_registry().entries("denoiser", only="local")] == ["local/MyNet"]


@pytest.mark.parametrize("modules", ["3", "[3]", "'mine/net.py'"])
def test_a_malformed_list_is_told_by_its_type(write, code, modules):
    with pytest.raises(RecipeError, match=r"option 'modules' of \[local\] must be a list of texts"):
        load(write(RECIPE.replace("['mine/net.py']", modules)))
