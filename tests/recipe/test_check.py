from __future__ import annotations

import pytest
from toys import GOOD, Toys

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.discriminators import Discriminator
from gentoolkit.components.methods import Method
from gentoolkit.components.metrics import Metric
from gentoolkit.components.optimizers import LRSchedule, Optimizer
from gentoolkit.recipe import RecipeError, load
from gentoolkit.registry import component, opt
from gentoolkit.registry.plugins import Plugin

CLASSES = GOOD + "[model]\ncondition = 'class'\n"


def test_facts_at_the_end_of_the_walk(write):
    facts = load(
        write(CLASSES + "latent = {use = 'gaussian', dim = 7}\n[process]\nsteps = 2"), ["training.micro_batch=4"], nproc=2
    ).facts
    assert (facts.kind, facts.shape, facts.data) == ("image", (3, 32, 32), "pictures")
    assert (facts.labels, facts.classes) == (10, 10)
    assert (facts.steps, facts.latent, facts.w, facts.raw_channels, facts.target) == (2, 7, 7, 3, "x_0")
    assert facts.alpha_T == pytest.approx(0.36787944117144233)
    assert (facts.batch, facts.training_steps) == (4, 1000)


@pytest.mark.parametrize(("nproc", "micro", "batch"), [(1, None, 32), (4, None, 8), (4, 2, 2), (32, None, 1)])
def test_the_batch_of_one_device(write, nproc, micro, batch):
    extra = [] if micro is None else [f"training.micro_batch={micro}"]
    assert load(write(), extra, nproc=nproc).facts.batch == batch


def test_labels_are_not_used_unless_asked_for(write):
    assert load(write()).facts.classes is None


def test_legal_micro_batches_are_near_the_one_given(write):
    with pytest.raises(RecipeError) as caught:
        load(write(), ["training.batch_size=1000", "training.micro_batch=60"])
    assert caught.value.problems[0].hint == "micro_batch = 10 or 20 or 25 or 40 or 50 or 100"


SEEN: list[tuple[str, int | None]] = []


def seen(name):
    def offer(self, facts):
        SEEN.append((name, facts.more.get("toy/count", 0)))
        return {"toy/count": facts.more.get("toy/count", 0) + 1}

    return offer


@component
class Rate(LRSchedule):
    """A rate."""

    offer = seen("rate")


@component
class Opt(Optimizer):
    """An optimizer."""

    lr: float = opt(0.1, "rate")
    lr_schedule: LRSchedule = opt("toy/rate", "schedule")
    offer = seen("optimizer")


@component
class Eye(Discriminator):
    """A discriminator."""

    offer = seen("discriminator")


@component
class Way(Method):
    """A method."""

    optimizers: dict[str, Optimizer] = opt({"a": "toy/opt"}, "optimizers")
    discriminator: Discriminator = opt("toy/eye", "judge")
    offer = seen("method")


@component
class Faulty(Denoiser):
    """A denoiser that complains, notes or fails as it is told."""

    fails: str = opt("", "where")

    def check(self, facts):
        if self.fails == "check":
            raise RuntimeError("no \x1b[31mway")
        if self.fails in ("complaint", "both"):
            yield "fails.deep", "because"
            yield "use", "and", "another"

    def note(self, facts):
        yield "fails", f"{facts.steps} steps"

    def offer(self, facts):
        if self.fails == "fact":
            return {"shpae": (1,)}
        if self.fails in ("offer", "both"):
            raise KeyError("x")
        return {"toy/denoiser": True}


@component
class Number(Metric):
    """A metric."""

    def check(self, facts):
        yield "use", f"sees {sorted(facts.more)}"


@pytest.fixture(autouse=True)
def toy(toys):
    SEEN.clear()
    parts = {
        "lr_schedule": {"rate": Rate},
        "optimizer": {"opt": Opt},
        "discriminator": {"eye": Eye},
        "method": {"way": Way},
        "denoiser": {"faulty": Faulty},
        "metric": {"number": Number},
    }
    toys.plugins["toy"] = Plugin("toy", "toys", "toy-plugin 3.1", loaded=Toys(parts))


def test_parts_come_before_their_owner_in_the_order_of_its_options(write):
    load(write(), ["method=toy/way"])
    assert SEEN == [("rate", 0), ("optimizer", 1), ("discriminator", 2), ("method", 3)]


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("check", "failed in its own check: RuntimeError: no \x1b[31mway"),
        ("offer", "failed in its own check: KeyError: 'x'"),
        ("fact", "failed in its own check: TypeError: 'shpae' is not for a denoiser to offer"),
    ],
)
def test_a_components_fault_is_told_as_such_and_ends_the_walk(write, fails, said):
    with pytest.raises(RecipeError) as caught:
        load(write(), [f"model.denoiser={{use='toy/faulty', fails='{fails}'}}", "metrics.n=toy/number"])
    (problem,) = caught.value.problems
    assert problem.sentence.startswith(f"denoiser 'toy/faulty' {said}")
    assert problem.label == "this is a bug of toy-plugin 3.1, not of the recipe"
    assert "\x1b" not in str(caught.value)


def test_complaints_stand_at_their_options_and_all_are_told(write):
    with pytest.raises(RecipeError) as caught:
        load(write(), ["model.denoiser.use=toy/faulty", "model.denoiser.fails=complaint", "metrics.n=toy/number"])
    told = [(p.path, str(p.origin), p.label, p.hint) for p in caught.value.problems]
    assert told == [
        ("model.denoiser.fails.deep", "argument model.denoiser.fails=complaint", "because", ""),
        ("model.denoiser.use", "argument model.denoiser.use=toy/faulty", "and", "another"),
        ("metrics.n.use", "argument metrics.n=toy/number", "sees ['toy/denoiser']", ""),
    ]


def test_a_fault_after_a_complaint_is_not_held_against_the_component(write):
    with pytest.raises(RecipeError) as caught:
        load(write(), ["model.denoiser.use=toy/faulty", "model.denoiser.fails=both", "metrics.n=toy/number"])
    assert [p.label for p in caught.value.problems] == ["because", "and"]


def test_notes_stop_nothing(write):
    made = load(write(GOOD.replace('use = "net"\nwidth = 32', 'use = "toy/faulty"')))
    assert [str(n) for n in made.notes] == ["model.denoiser.fails: 4 steps (r.toml:6)"]


def test_facts_are_checked_as_far_as_the_recipe_is_sound(write):
    text = CLASSES.replace('"pictures"\nsource', '"points"\n#').replace("width = 32", "widht = 32")
    with pytest.raises(RecipeError) as caught:
        load(write(text))
    assert [p.path for p in caught.value.problems] == ["model.denoiser.widht", "model.condition"]


def test_files_that_are_there_are_no_problem(write, tmp_path):
    (tmp_path / "pictures").mkdir()
    assert load(write(), files=True).recipe.data.source == str(tmp_path / "pictures")
    assert load(write(), ["data.source=s3://bucket/x.zip"], files=True).recipe.data.source == "s3://bucket/x.zip"


@pytest.mark.parametrize(
    ("file", "name"),
    [("r.toml", "r"), ("a b!.v2.toml", "a b-.v2"), (".toml", "toml"), ("...toml", "unnamed"), ("é:x.toml", "é-x")],
)
def test_the_name_of_a_run_from_its_file(write, file, name):
    made = load(write(GOOD, file))
    assert made.name == made.recipe.run.name == name
    assert load(write(made.resolved, "again.toml")).name == name
