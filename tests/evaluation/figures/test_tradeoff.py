"""Quality against evaluations: lines of one protocol, seeds as a mean, the oracle's limits beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from gentoolkit.cli.runs import command
from gentoolkit.engine.samples.results import Result, record
from gentoolkit.evaluation.figures.tradeoff import apart, tradeoff
from gentoolkit.evaluation.oracle_table import oracle_row
from gentoolkit.registry import GentoolError

MEASURE = "mixture/gaussians25/25-modes/20000/4-std"


def run(folder: Path, *points: tuple[str, int, float], measure: str = MEASURE, **other: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").touch()
    record(
        folder / "results.jsonl",
        [
            Result(
                "mixture",
                {"high_quality": v},
                f"{measure}/ema/{how}",
                **{"step": 9, "weights": "ema", "seed": 0, "evaluations": n} | other,
            )
            for how, n, v in points
        ],
    )
    return folder


def test_lines_are_of_one_protocol_and_seeds_are_a_mean(tmp_path: Path) -> None:
    a = run(tmp_path / "a", ("ddim-4", 4, 0.25), ("ddim-2", 2, 0.125), ("heun-2", 3, 0.5))
    run(a, ("ddim-4", 4, 0.75), seed=1)
    run(a, ("ddim-2", 2, 0.9), step=5)
    run(a, ("ddim-4", 4, 0.1), measure=MEASURE.replace("20000", "100"))
    b = run(tmp_path / "b", ("ancestral-4", 4, 1.0))
    found = tradeoff([a, b], "mixture/high_quality")
    lines = {name: [(p.evaluations, p.value) for p in points] for name, points in found.lines.items()}
    assert lines == {"a, ddim": [(2, 0.125), (4, 0.5)], "a, heun": [(3, 0.5)], "b, ancestral": [(4, 1.0)]}
    assert found.lines["a, ddim"][1].deviation == pytest.approx(0.125**0.5)
    assert found.measure == MEASURE and found.left_out == (MEASURE.replace("20000", "100"),)


def test_the_limits_are_the_oracles(tmp_path: Path) -> None:
    a = run(tmp_path / "a", ("ddim-4", 4, 0.25))
    limits = tradeoff([a], limits=True).limits
    assert [[p.evaluations for p in points] for points in limits.values()] == [[2, 4]] * 3
    assert [points[1].value for points in limits.values()] == [quality for quality, _ in oracle_row(4, 10_000, 0)]
    other = run(tmp_path / "b", ("ddim-4", 4, 0.25), measure="mixture/moons/2-modes/100/4-std")
    with pytest.raises(GentoolError, match="is known of high_quality and modes on gaussians25"):
        tradeoff([other], limits=True)


def test_as_a_file_with_what_is_missing_said(tmp_path: Path) -> None:
    a = run(tmp_path / "a", ("ddim-4", 4, 0.25), ("ddim-1", 1, 0.5))
    out = tmp_path / "t.png"
    done = CliRunner().invoke(command, ["plot", str(a), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"mixture/high_quality under {MEASURE} in ")
    with Image.open(out) as picture:
        assert picture.width > 600
    with pytest.raises(GentoolError, match="there is mixture/high_quality"):
        tradeoff([a], "mixture/hq")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "recipe.toml").touch()
    with pytest.raises(GentoolError, match="--sweep"):
        tradeoff([empty])
    with pytest.raises(GentoolError, match="is no run folder"):
        tradeoff([tmp_path / "nowhere"])


def test_numbers_on_the_axis_do_not_overlap() -> None:
    assert apart([1, 2, 4, 8, 15, 16, 31]) == [1, 2, 4, 8, 15, 31]
