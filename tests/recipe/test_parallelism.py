"""`training.parallel`: what it means for a number of processes, found out before anything is started."""

from __future__ import annotations

import pytest

from gentoolkit.recipe import RecipeError, load
from gentoolkit.recipe.parallelism import Parallelism, parallelism


@pytest.mark.parametrize(
    ("said", "processes", "means"),
    [
        ("auto", 1, Parallelism("none")),
        ("auto", 4, Parallelism("ddp", 4)),
        ("none", 1, Parallelism("none")),
        ("ddp", 1, Parallelism("none")),
        ("ddp", 2, Parallelism("ddp", 2)),
        ("fsdp", 1, Parallelism("none")),
        ("fsdp", 8, Parallelism("fsdp", 1, 8)),
        ("hsdp:2x4", 8, Parallelism("hsdp", 2, 4)),
        ("hsdp:2x4", 1, Parallelism("none")),
    ],
)
def test_what_it_means(said: str, processes: int, means: Parallelism) -> None:
    found = parallelism(said, processes)
    assert found == means
    assert found.processes == processes or processes == 1
    assert found.sharded == (means.shards > 1)


def test_in_words() -> None:
    assert [str(parallelism(said, n)) for said, n in (("auto", 1), ("auto", 2), ("fsdp", 4), ("hsdp:2x3", 6))] == [
        "one process",
        "2 processes with all weights each (ddp)",
        "4 processes with the weights in 4 shards (fsdp)",
        "6 processes in 2 replicas of 3 shards (hsdp)",
    ]


@pytest.mark.parametrize(
    ("said", "nproc", "sentence", "hint"),
    [
        ("none", 2, "2 processes that share no gradients would train 2 different models", 'parallel = "auto", "ddp" or "fsdp"'),
        (
            "hsdp:2x2",
            8,
            "2 replicas of 2 shards are 4 processes, but the run has 8",
            'parallel = "hsdp:2x4" or "hsdp:4x2" or "fsdp"',
        ),
        ("hsdp:3x1", 2, "3 replicas of 1 shards are 3 processes, but the run has 2", 'parallel = "fsdp"'),
        ("hsdp:2", 4, "'hsdp:2' is none of 'auto', 'none', 'ddp', 'fsdp', 'hsdp:RxS' (R replicas of S shards each)", ""),
        ("hsdp:0x4", 4, "'hsdp:0x4' is none of", ""),
        ("hsdp:RxS", 4, "'hsdp:RxS' is none of", ""),
        ("dpp", 1, "'dpp' is none of", ""),
    ],
)
def test_what_cannot_be_is_said_with_what_can(write, said, nproc, sentence, hint):
    with pytest.raises(RecipeError) as caught:
        load(write(), [f"training.parallel={said}", "training.batch_size=48"], nproc=nproc)
    (problem,) = caught.value.problems
    assert problem.sentence.startswith(sentence)
    assert problem.hint == hint
    assert problem.keys == ("training", "parallel")


def test_weights_in_shards_do_not_lie_channels_last(write):
    wanted = ["training.channels_last=on", "training.parallel=fsdp"]
    with pytest.raises(RecipeError, match="weights that lie channels-last cannot be cut"):
        load(write(), wanted, nproc=2)
    assert load(write(), wanted, nproc=1).nproc == 1
    assert load(write(), ["training.channels_last=on"], nproc=2).nproc == 2


def test_a_recipe_for_many_processes_can_be_read_by_one(write):
    assert load(write(), ["training.parallel=hsdp:2x4"]).recipe.training.parallel == "hsdp:2x4"
