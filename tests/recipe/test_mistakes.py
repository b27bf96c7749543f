"""Deliberate mistakes, each with the message that it must get, whole.

After a change of wording: `GENTOOL_GOLDEN=write pytest tests/recipe/test_mistakes.py`, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toys import GOOD

from gentoolkit.recipe import RecipeError, load
from gentoolkit.registry import GentoolError

GOLDEN = Path(__file__).parent / "golden"


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


METHOD = 'use = "gan"\ndiscriminator = "judge"\n'
NET = 'use = "net"\nwidth = 32\n'
DATA = 'use = "pictures"\nsource = "pictures"\n'

# name: (recipe, arguments of load, other files)
CASES: dict[str, tuple] = {
    "typo_in_option": (changed("width", "widht"),),
    "typo_in_section": (changed("[training]", "[trainning]"),),
    "typo_in_section_option": (GOOD + "chekpoint_every = 10\n",),
    "typo_in_component": (changed('"net"', '"nett"'),),
    "typo_in_inline_table": (GOOD + "[model]\nlatent = { use = 'gaussian', dimm = 3 }\n",),
    "component_of_another_slot": (changed('"judge"', '"net"'),),
    "no_such_version": (changed('"net"', '"net@7"'),),
    "no_use": (changed(NET, "width = 32\n"),),
    "use_is_a_number": (changed('use = "net"', "use = 3"),),
    "component_is_a_list": (changed('discriminator = "judge"', "discriminator = ['judge']"),),
    "array_of_tables": (GOOD + "[[method.regularizers]]\nuse = 'r1'\n",),
    "table_without_names": (GOOD + "[method.regularizers]\nuse = 'r1'\n",),
    "section_is_a_name": ("training = 'long'\n" + changed("[training]\nsteps = 1000\nbatch_size = 32\n", ""),),
    "section_is_a_name_over_a_table": ("extends = 'b.toml'\nmodel = 'net'\n", {}, {"b": GOOD}),
    "argument_names_a_section": (GOOD, {"overrides": ["model=net", "method.regularizers=r1"]}),
    "discriminator_under_simple": (changed('"gan"', '"simple"'),),
    "text_for_bool": (changed("width = 32", "attention = 'false'"),),
    "text_for_number": (changed("steps = 1000", 'steps = "1000"'),),
    "fraction_for_whole": (changed("width = 32", "width = 32.5"),),
    "one_for_many": (changed("width = 32", "mults = 2"),),
    "wrong_item": (changed("width = 32", "mults = [1, 'two', 2]"),),
    "wrong_length": (GOOD + "[method.optimizers.denoiser]\nbetas = [0.5, 0.9, 0.99]\n",),
    "number_for_text": (GOOD + "precision = 32\n",),
    "out_of_range": (changed("width = 32", "width = 4"),),
    "item_out_of_range": (GOOD + "[method.optimizers.denoiser]\nbetas = [0.5, 1.5]\n",),
    "not_a_choice": (GOOD + "precision = 'fp31'\n",),
    "missing_option": (GOOD + "[model]\nlatent = 'gaussian'\n",),
    "missing_section": (GOOD[: GOOD.index("[training]")],),
    "missing_part": (changed(METHOD, 'use = "gan"\n'),),
    "empty": ("",),
    "unknown_plugin": (changed('"net"', '"acne/unet"'),),
    "unknown_in_plugin": (changed('"net"', '"acme/unett"'),),
    "broken_plugin": (changed('"net"', '"broken/net"'),),
    "two_plugins_one_namespace": (changed('"net"', '"twice/net"'),),
    "local_without_modules": (changed('"net"', '"local/MyNet"'),),
    "latent_does_not_fit": (changed(NET, 'use = "plain"\n[model.latent]\nuse = "gaussian"\ndim = 8\n'),),
    "kind_does_not_fit": (changed(DATA, 'use = "points"\n').replace(NET, 'use = "plain"\n'),),
    "option_does_not_fit": (changed('source = "pictures"', 'source = "pictures"\nsize = 256'),),
    "levels_do_not_fit": (changed("width = 32", "mults = [1, 1, 1, 1, 1, 1, 1]"),),
    "sampler_steps": (GOOD + "[sampler]\nsteps = 9\n",),
    "component_fails": (GOOD + "[process]\nschedule = 'kinked'\n",),
    "class_without_labels": (
        changed('"pictures"\nsource', '"points"\n#').replace("width = 32\n", "") + "[model]\ncondition = 'class'\n",
    ),
    "dropout_without_class": (GOOD + "[model]\nlabel_dropout = 0.1\n",),
    "batch_over_processes": (GOOD, {"nproc": 5}),
    "micro_batch": (GOOD + "micro_batch = 5\n", {"nproc": 2}),
    "missing_file": (GOOD, {"files": True}),
    "missing_teacher": (changed("width = 32", "start = 'runs/teacher'"), {"files": True}),
    "bad_run_name": (GOOD + "[run]\nname = '../../home'\n",),
    "argument_typo": (GOOD, {"overrides": ["model.denoiser.widht=64"]}),
    "argument_wrong_type": (GOOD, {"overrides": ["training.steps=many"]}),
    "arguments_unreadable": (GOOD, {"overrides": ["training.steps", "a..b=3", "model.denoiser.mults=[1,", "extends=x"]}),
    "argument_makes_incomplete": (GOOD, {"overrides": ["model.latent=gaussian"]}),
    "toml_python_word": (GOOD + "compile = True\n",),
    "toml_open_quote": (changed('"net"', '"net'),),
    "toml_open_list": (GOOD + "x = [1, 2",),
    "toml_twice": (GOOD + "steps = 5\n",),
    "toml_table_twice": (GOOD + "[data]\nuse = 'points'\n",),
    "too_deep": ("a = " + "[" * 1000,),
    "huge_number": (changed("1000", "0x" + "F" * 40),),
    "reference_to_nothing": (changed("batch_size = 32", "batch_size = '${training.stesp}'"),),
    "reference_in_circle": (changed("batch_size = 32", "batch_size = '${training.seed}'\nseed = '${training.batch_size}'"),),
    "reference_in_text": (changed('source = "pictures"', "source = '${run.name}/pictures'") + "[run]\nname = 'x'\n",),
    "environment_elsewhere": (changed("batch_size = 32", "batch_size = '${env:BATCH}'"),),
    "environment_unset": (changed('source = "pictures"', "source = '${env:NO_SUCH_VARIABLE}'"),),
    "extends_missing": ("extends = 'bas.toml'\n" + GOOD, {}, {"base": ""}),
    "extends_unknown_name": ("extends = 'acme/imag'\n" + GOOD,),
    "extends_in_circle": ("extends = 'b.toml'\n" + GOOD, {}, {"b": "\nextends = 'c.toml'", "c": "extends = ['r.toml']"}),
    "extends_number": ("extends = 3\n" + GOOD,),
    "mistake_in_base": ("extends = 'base/b.toml'\n" + GOOD, {}, {"base__b": "[training]\nlog_evry = 3\n"}),
    "drop_of_nothing": ("extends = 'b.toml'\ndrop = ['method.regularizers.r2', 'training.clip']\n" + GOOD, {}, {"b": ""}),
    "several": (
        changed("width = 32", "widht = 32").replace("batch_size = 32", "batch_size = 0") + "[sampler]\nuse = 'ancestrall'\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_message(name, write):
    text, keywords, files = (*CASES[name], {}, {})[:3]
    write(text, **files)
    with pytest.raises(RecipeError) as caught:
        load("r.toml", **keywords)
    said = str(caught.value).replace(str(Path.cwd()), "/here") + "\n"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("GENTOOL_GOLDEN") == "write":
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    assert {p.stem for p in GOLDEN.glob("*.txt")} == set(CASES)


def test_a_file_that_is_no_text(write, tmp_path):
    (tmp_path / "r.toml").write_bytes(b"[data]\nuse = '\xff\xfe'\n")
    write(name="other.toml")
    with pytest.raises(GentoolError, match=r"r.toml:2 is not UTF-8"):
        load("r.toml")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("r.tml", r"no recipe is called 'r.tml', and a file r.tml is not there either"),
        ("empty", r"empty is a folder without recipe.toml, so it is no run"),
        ("acme/none", r"plugin 'acme' has no recipe 'none'"),
        ("broken/none", r"recipe 'broken/none' is not available: plugin 'broken' is broken \(ModuleNotFoundError"),
        ("x\0y", "no recipe is called"),
    ],
)
def test_no_such_recipe(write, tmp_path, name, message):
    write()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GentoolError, match=message):
        load(name)
