"""loss-per-step: the table says what was logged, also after a resumption."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from PIL import Image

from gentoolkit.components.observers.loss_per_step import LossPerStep
from gentoolkit.components.observers.loss_table import lines_of, read
from gentoolkit.registry import Facts

NAME = "discriminator/adv"


def logs(*values):
    return {"loss": 1.0, "loss_per_t": {NAME: list(values)}}


@pytest.fixture
def run(tmp_path):
    return SimpleNamespace(folder=tmp_path)


def started(run, step=0, every=1000):
    watcher = LossPerStep(every=every).build(Facts(), {})
    watcher.run_started(run, step)
    return watcher


def test_every_t_is_a_row_and_a_missing_value_is_none(run):
    watcher = started(run)
    watcher.step_ended(run, 50, logs(1.5, 1.25))
    watcher.step_ended(run, 100, logs(math.nan, None))
    watcher.step_ended(run, 150, {"loss": 1.0})
    watcher.step_ended(run, 200, logs(0.5, math.inf))
    rows = [(50, NAME, 1, 1.5), (50, NAME, 2, 1.25), (200, NAME, 1, 0.5), (200, NAME, 2, math.inf)]
    assert read(watcher.table(run)) == rows
    assert watcher.table(run).read_text().splitlines()[:2] == ["step,loss,t,value", "50,discriminator/adv,1,1.5"]


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(run):
    watcher = started(run)
    for step in (50, 100, 150):
        watcher.step_ended(run, step, logs(float(step)))
    with watcher.table(run).open("a") as file:
        file.write("200,discriminator/adv,1")  # cut off by a kill
    resumed = started(run, step=100)
    resumed.step_ended(run, 150, logs(-1.0))
    assert [(r[0], r[3]) for r in read(resumed.table(run))] == [(50, 50.0), (100, 100.0), (150, -1.0)]
    assert [r[0] for r in read(started(run).table(run))] == []


def test_charts_are_drawn_now_and_then_and_at_the_end(run):
    watcher = started(run, every=100)
    picture = run.folder / "loss_per_step-discriminator-adv.png"
    watcher.step_ended(run, 50, logs(1.5, 1.25))
    assert not picture.exists()
    watcher.step_ended(run, 100, logs(1.25, 1.0))
    with Image.open(picture) as image:
        assert image.size == (640, 360)
    picture.unlink()
    watcher.run_ended(run, 120)
    assert picture.exists()


def test_of_many_t_eight_are_drawn_from_first_to_last():
    rows = [(50, NAME, t, float(t)) for t in range(1, 1001)] + [(50, "other", 1, 0.0)]
    lines = lines_of(rows, NAME)
    assert len(lines) == 8
    assert next(iter(lines)) == "t = 1"
    assert list(lines)[-1] == "t = 1000"
    assert lines["t = 1000"] == [(50, 1000.0)]
    assert list(lines_of(rows[:3], NAME)) == ["t = 1", "t = 2", "t = 3"]
