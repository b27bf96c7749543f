"""Figures as commands: each is that of the library, and mistakes end before anything is drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gentoolkit
from gentoolkit.cli import main
from tests.evaluation.figures.runs import trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on images and one on points."""
    place = tmp_path_factory.mktemp("drawn")
    trained(place / "digits")
    trained(place / "points", {"use": "gaussians25", "size": 50})
    trained(place / "plain", model={"condition": "none"})
    return place


@pytest.fixture
def gentool(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command in the folder of runs: (exit code, stdout, stderr)."""
    monkeypatch.chdir(place)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["gentool", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def test_every_figure_is_that_of_the_library(gentool, place: Path) -> None:
    digits = gentoolkit.load(place / "digits")
    for arguments, figure, name, said in (
        (["--strip"], gentoolkit.strip(digits, 4), "strip.png", "walks of 4 samples, seed 0 (ema weights of step 2)"),
        (
            ["--strip", "-n", "3", "--y", "4,5", "--seed", "2"],
            gentoolkit.strip(digits, 3, 2, [4, 5, 4]),
            "strip.png",
            "3 samples",
        ),
        (["--grid", "3x4"], gentoolkit.grid(digits, 3, 4), "grid.png", "12 samples in 4 rows"),
        (["--grid", "3x4", "--y", "7,1"], gentoolkit.grid(digits, 3, 4, y=[7, 1]), "grid.png", "12 samples"),
        (["--draws", "3"], gentoolkit.draws(digits, 2, k=3), "draws.png", "draws by step at t = 1, 2, 3, 4"),
        (
            ["--draws", "2", "-n", "1", "--at", "4,2", "--by", "walk"],
            gentoolkit.draws(digits, 1, k=2, t=(2, 4), by="walk"),
            "draws.png",
            "draws by walk at t = 2, 4",
        ),
        (["--neighbours", "3", "-n", "4"], gentoolkit.neighbours(digits, 4, k=3), "neighbours.png", "4 samples and their"),
    ):
        code, out, err = gentool("sample", "digits", *arguments)
        assert (code, err) == (0, ""), arguments
        assert said in out
        assert f"in {name}" in out
        assert np.array_equal(np.asarray(Image.open(name)), np.asarray(figure.picture())), arguments
        Path(name).unlink()
    points = gentoolkit.strip("points", 1000)
    assert gentool("sample", "points", "--strip", "-o", "a.png", "--quiet")[:2] == (0, "")
    assert np.array_equal(np.asarray(Image.open("a.png")), np.asarray(points.picture()))


def test_a_grid_has_a_class_for_each_row(place: Path) -> None:
    found = gentoolkit.grid(place / "digits", 3, 12, seed=4)
    assert found.y == (*range(10), 0, 1)
    y = [k for k in found.y for _ in range(3)]
    expected = gentoolkit.load(place / "digits").sample(36, 4, y).reshape(12, 3, 1, 8, 8)
    assert (found.samples == expected).all()
    assert gentoolkit.grid(place / "digits", 2, 3, y=5).y == (5, 5, 5)
    assert found.picture().size[1] == 12 * 50 + 2
    plain = gentoolkit.grid(place / "plain", 2, 3)
    assert plain.y is None
    assert plain.picture().size == (2 * 50 + 2, 3 * 50 + 2), "no names where there are no classes"


def test_mistakes_end_as_one_message_and_code_2(gentool, place: Path) -> None:
    before = sorted(p.name for p in place.iterdir())
    for arguments, said in (
        (["digits", "--strip", "--grid", "3x3"], "--strip and --grid are figures of their own"),
        (["digits", "--draws", "2", "--neighbours", "2"], "--draws and --neighbours"),
        (["digits", "--at", "2"], "--at goes with --draws"),
        (["digits", "--strip", "--by", "walk"], "--by goes with --draws"),
        (["digits", "--draws", "2", "--by", "wlak"], "'wlak' is not one of 'step', 'walk'"),
        (["digits", "--draws", "2", "--at", "one"], "--at takes whole numbers"),
        (["digits", "--draws", "2", "--at", "5"], "1 to 4, not 5"),
        (["digits", "--draws", "2", "--y", "3"], "leave --y out"),
        (["digits", "--draws", "0"], "--draws"),
        (["digits", "--grid", "3*3"], "as in 8x10, not '3*3'"),
        (["digits", "--grid", "0x3"], "as in 8x10"),
        (["digits", "--grid", "3x3x3"], "as in 8x10"),
        (["digits", "--grid", ""], "as in 8x10, not ''"),
        (["digits", "--grid", "200x200"], "too large"),
        (["digits", "--grid", "2x2", "-n", "4"], "leave -n out"),
        (["digits", "--grid", "2x2", "--y", "11"], "from 0 to 9"),
        (["digits", "--strip", "--nproc", "2"], "leave --nproc out"),
        (["digits", "--strip", "-o", "x.npz"], "a figure goes to a file that ends in .png, not to x.npz"),
        (["digits", "--strip", "-o", "nowhere/x.png"], "the folder nowhere does not exist"),
        (["plain", "--strip", "--y", "3"], "knows no classes"),
        (["points", "--grid", "2x2"], "points, which are drawn in one scatter plot"),
        (["points", "--neighbours", "2"], "shown of images"),
        (["digits", "--neighbours", "1798"], "1797 items, fewer than 1798"),
        (["digits", "--stripe"], "--strip"),
        (["nowhere", "--strip"], "no run folder"),
    ):
        code, out, err = gentool("sample", *arguments)
        assert (code, said in err, "Traceback" in out + err) == (2, True, False), (arguments, err)
    for arguments, said in (
        (["--figure", "x.gif"], ".png, .svg, .pdf"),
        (["--figure", "x.png", "--seed", "1"], "leave --seed out"),
        (["--figure", "x.png", "--samples", "100"], "leave --samples out"),
        (["--figure", "x.png", "--steps", "1,2,3,4,5,6,7,8,9"], "1 to 8"),
    ):
        code, out, err = gentool("oracle", *arguments)
        assert (code, said in err, "Traceback" in out + err) == (2, True, False), (arguments, err)
    assert sorted(p.name for p in place.iterdir()) == before, "nothing was left behind"


def test_one_process_of_several_draws(gentool, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert gentool("sample", "digits", "--strip") == (0, "", "")
    assert not (place / "strip.png").exists()


def test_the_oracle_is_drawn(gentool, place: Path) -> None:
    code, out, err = gentool("oracle", "--figure", "fig2.png", "--steps", "4,16,4")
    assert (code, err) == (0, "")
    assert out == "q(x_{t-1} | x_t) for T = 16, 4 in fig2.png\n"
    assert Image.open("fig2.png").size[0] > 600
    Path("fig2.png").unlink()
