"""The figures of `gentool sample`: one picture of how samples come about, drawn by one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gentoolkit.engine.models.trained import TrainedRun

F = TypeVar("F", bound=Callable[..., Any])
FIGURES = ("strip", "grid", "draws", "neighbours")


def figure_options(command: F) -> F:
    """The options that ask for a figure, and those that say more of it."""
    for option in reversed(
        (
            click.option("--strip", is_flag=True, help="The walks of some samples: x_T to x_0, and x_0 as predicted at each."),
            click.option("--grid", metavar="COLUMNSxROWS", help="Samples in rows, of a class-conditional model a class each."),
            click.option("--draws", type=click.IntRange(1), help="So many draws of x_0 from each of some noisy real images."),
            click.option("--neighbours", type=click.IntRange(1), help="Beside each sample so many of its nearest real images."),
            click.option("--at", "steps", metavar="T,...", help="With --draws: how noisy, steps from 1 to T."),
            click.option("--by", type=click.Choice(["step", "walk"]), help="With --draws: one step, or the rest of the walk."),
        )
    ):
        command = option(command)
    return command


def asked_figure(given: dict[str, Any], count: int | None, classes: str | None, nproc: int) -> str | None:
    """The figure that is asked for; None if samples are.

    Args:
        given: values of the options above, by name.
        count: -n, if it was given.
        classes: --y.
        nproc: --nproc.

    Raises:
        UsageError: two are, or something does not go with it.
    """
    chosen = [name for name in FIGURES if given[name] not in (None, False)]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in chosen)} are figures of their own; ask for one of them")
    kind = chosen[0] if chosen else None
    for name, option in (("steps", "--at"), ("by", "--by")):
        if given[name] is not None and kind != "draws":
            raise click.UsageError(f"{option} goes with --draws")
    if kind == "grid" and count is not None:
        raise click.UsageError("--grid says how many samples there are; leave -n out")
    if kind == "draws" and classes is not None:
        raise click.UsageError("--draws takes the classes of its real images; leave --y out")
    if kind and nproc > 1:
        raise click.UsageError("a figure is drawn by one process; leave --nproc out")
    return kind


def numbers(text: str, option: str, mark: str = ",") -> list[int]:
    """Whole numbers between marks.

    Raises:
        UsageError: they are none.
    """
    try:
        return [int(word) for word in text.split(mark)]
    except ValueError:
        raise click.UsageError(f"{option} takes whole numbers separated by '{mark}', not {text!r}") from None


def size_of_grid(text: str) -> tuple[int, int]:
    """(columns, rows) of `8x10`; `8` is 8x8.

    Raises:
        UsageError: it is neither.
    """
    found = text.lower().split("x")
    if not all(word.isdecimal() and int(word) > 0 for word in found) or len(found) > 2:
        raise click.UsageError(f"--grid takes columns and rows as in 8x10, not {text!r}")
    return int(found[0]), int(found[-1])


def write_asked(
    kind: str, given: dict[str, Any], run: TrainedRun, count: int | None, out: str, seed: int, classes: Sequence[int] | None
) -> str:
    """Draw a figure into a file; what it is, in words.

    Args:
        kind: which.
        given: values of the options above, by name.
        run: the opened run.
        count: -n, if it was given.
        out: the file.
        seed: of everything random.
        classes: those of --y, to be repeated.
    """
    from gentoolkit.evaluation.figures.files import write_figure

    def y(n: int) -> list[int] | None:
        return None if classes is None else [classes[i % len(classes)] for i in range(n)]

    made: Any
    if kind == "strip":
        from gentoolkit.evaluation.figures.strip import strip

        n = count or (4 if run.facts.kind == "image" else 1000)
        made, said = strip(run, n, seed, y(n)), f"walks of {n} samples"
    elif kind == "grid":
        from gentoolkit.evaluation.figures.grid import grid

        columns, rows = size_of_grid(given["grid"])
        made, said = grid(run, columns, rows, seed, classes), f"{columns * rows} samples in {rows} rows"
    elif kind == "draws":
        from gentoolkit.evaluation.figures.draws import draws

        at = None if given["steps"] is None else numbers(given["steps"], "--at")
        made = draws(run, count or 2, seed, given["draws"], at, given["by"])
        said = f"draws by {made.by} at t = {', '.join(map(str, made.t))}"
    else:
        from gentoolkit.evaluation.figures.neighbours import neighbours

        n = count or 8
        made, said = neighbours(run, n, seed, y(n), given["neighbours"]), f"{n} samples and their nearest of the data"
    picture = made.picture()
    write_figure(out, lambda path: picture.save(path, format="PNG"))
    return said
