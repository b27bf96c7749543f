"""The law of the observer: what it writes is a function of the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from gentool_example.lines import BARS, Lines, losses, sketch


class Run:
    """What the observer reads of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


def test_a_rising_loss_rises() -> None:
    assert sketch([float(i) for i in range(8)], 8) == f"{BARS}  0 -> 7"
    assert sketch([7.0 - i for i in range(8)], 8) == f"{BARS[::-1]}  7 -> 0"


@pytest.mark.parametrize("n", [0, 1, 5, 39, 40, 41, 1000])
def test_a_line_is_as_wide_as_it_may_be(n: int) -> None:
    assert len(sketch([1.5] * n, 40).partition(" ")[0]) == min(n, 40)


def test_each_bar_is_the_mean_of_its_share() -> None:
    assert sketch([0.0, 2.0, 4.0, 6.0], 2) == f"{BARS[0]}{BARS[-1]}  0 -> 6"


def test_what_is_not_finite_is_shown_and_moves_nothing_else() -> None:
    assert sketch([0.0, float("nan"), 7.0], 3) == f"{BARS[0]}·{BARS[-1]}  0 -> 7"
    assert sketch([float("inf")], 3) == "·  inf -> inf"


def test_the_log_is_read_whole_and_a_cut_line_left_out(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(
        '{"step": 1, "rate": 9.0, "d/loss": 2.0, "loss_per_t": {"d/loss": [1]}}\n{"step": 2, "d/loss": "nan"}\n{"ste'
    )
    found = losses(log)
    assert list(found) == ["d/loss"]
    assert found["d/loss"][0] == 2.0
    assert found["d/loss"][1] != found["d/loss"][1]
    assert losses(tmp_path / "nothing") == {}


def test_it_draws_when_it_is_time(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "d/loss": 2.0}\n{"step": 20, "d/loss": 1.0}\n')
    watcher, drawn = Lines(every=20, width=9), tmp_path / "losses.txt"
    watcher.run_started(run=Run(tmp_path), step=0)
    watcher.step_ended(run=Run(tmp_path), step=10, logs={})
    assert not drawn.exists()
    watcher.step_ended(run=Run(tmp_path), step=20, logs={})
    assert drawn.read_text(encoding="utf-8") == f"d/loss  {BARS[-1]}{BARS[0]}  2 -> 1\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["losses.txt", "metrics.jsonl"]
