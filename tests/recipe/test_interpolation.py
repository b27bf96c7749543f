from __future__ import annotations

import time

import pytest
from toys import GOOD

from gentoolkit.recipe import RecipeError, load


def test_a_reference_takes_the_value_that_stands_there(write):
    text = GOOD + "seed = '${training.batch_size}'\nlog_every = '${training.seed}'\n[process]\nsteps = 2\n"
    made = load(write(text.replace("width = 32", "width = '${training.steps}'\nmults = ['${process.steps}', 3]")))
    assert (made.recipe.training.seed, made.recipe.training.log_every) == (32, 32)
    assert (made.recipe.model.denoiser.width, made.recipe.model.denoiser.mults) == (1000, (2, 3))
    assert made.origins["training.seed"] == "r.toml:17"


def test_a_reference_takes_a_table(write):
    text = (
        GOOD
        + "[method.optimizers]\ndiscriminator = {use = 'adam', lr = 0.25}\ndenoiser = '${method.optimizers.discriminator}'\n"
    )
    assert load(write(text)).recipe.method.optimizers["denoiser"].lr == 0.25


def test_a_reference_sees_later_layers(write):
    text = GOOD + "seed = '${training.batch_size}'\n"
    assert load(write(text), ["training.batch_size=8"]).recipe.training.seed == 8
    assert load(write(), ["training.seed=${training.steps}"]).recipe.training.seed == 1000


def test_a_path_stays_relative_to_the_file_that_wrote_it(write, tmp_path):
    base = "[data]\nuse = 'pictures'\nsource = 'here'\n"
    made = load(
        write(
            "extends = 'deep/b.toml'\n[run]\nfolder = '${data.source}'\n" + GOOD.replace('source = "pictures"\n', ""),
            deep__b=base,
        )
    )
    assert made.recipe.run.folder == str(tmp_path / "deep" / "here")


def test_the_environment_in_data_and_run(write, monkeypatch, tmp_path):
    monkeypatch.setenv("PICTURES", "over/there")
    monkeypatch.setenv("NAME", "from env")
    text = GOOD.replace('source = "pictures"', "source = '${env:PICTURES}'") + "[run]\nname = '${env:NAME}'\n"
    made = load(write(text, "deep/r.toml"))
    assert made.recipe.data.source == str(tmp_path / "over" / "there")
    assert made.name == "from env"


def test_tables_that_refer_to_tables_cannot_grow_without_bound(write):
    tables = "".join(f"[data.t{n}]\na = '${{data.t{n + 1}}}'\nb = '${{data.t{n + 1}}}'\n" for n in range(30))
    start = time.perf_counter()
    with pytest.raises(RecipeError, match="references copy more than 10000 values"):
        load(write(GOOD + tables + "[data.t30]\nx = 1\n"))
    assert time.perf_counter() - start < 30


def test_a_long_chain_is_refused(write):
    chain = "\n".join(f"a{n} = '${{training.a{n + 1}}}'" for n in range(100)) + "\na100 = 1\n"
    with pytest.raises(RecipeError, match="more than 32 references"):
        load(write(GOOD + chain))


@pytest.mark.parametrize("text", ["${method.optimizers}", "${}", "${training}", "${a b}", "${.}"])
def test_references_that_cannot_be(write, text):
    with pytest.raises(RecipeError, match=r"1 problem|2 problems"):
        load(write(GOOD + f"seed = '{text}'\n"))
