"""`gentool runs`."""

from __future__ import annotations

import json
from typing import Any

import click

from .ckpt import size
from .tables import show_table


@click.group()
def command() -> None:
    """List runs, compare them, or draw what they cost and give."""


@command.command()
@click.argument("folder", default="runs")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(folder: str, as_json: bool) -> None:
    """List the runs in FOLDER, the last written first: how far each is, and whether it goes on."""
    from attrs import asdict

    from gentoolkit.evaluation.runs import runs

    found = runs(folder)
    if as_json:
        click.echo(json.dumps([asdict(run) for run in found], indent=1))
        return
    if not found:
        click.echo(f"{folder} has no runs yet")
        return
    rows = []
    for run in found:
        loss = f"{run.loss[0]} {run.loss[1]:.4g}" if run.loss else ""
        steps = "" if run.steps is None else f"{run.step or 0:,}/{run.steps:,}"
        state = f"{run.state}: {run.reason}" if run.reason else run.state
        rate = "" if run.rate is None else f"{run.rate:,.0f}"
        rows.append((run.folder, run.recipe, steps, state, loss, rate, _age(run.age), size(run.size)))
    show_table(("run", "recipe", "step", "state", "last loss", "per s", "age", "size"), rows)


@command.command()
@click.argument("runs", nargs=-1, metavar="RUN RUN...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(runs: tuple[str, ...], as_json: bool) -> None:
    """Compare two or more RUNs: recipes, the last logged numbers, and results; a row of results has one protocol."""
    from attrs import asdict

    from gentoolkit.evaluation.comparison import compare_runs

    found = compare_runs(runs)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, default=str))
        return
    if not found.recipe:
        click.echo("the recipes do not differ\n")
    for title, rows in (
        ("recipe", found.recipe),
        ("last logged", found.logged),
        *((f"protocol {protocol}", values) for protocol, values in found.results.items()),
    ):
        if rows:
            click.secho(title, bold=True)
            show_table(("", *found.runs), [(name, *map(_value, values)) for name, values in rows.items()])
            click.echo()


@command.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "out", default="tradeoff.png", show_default=True, help=".png, .svg or .pdf.")
@click.option("--value", help="METRIC/VALUE, such as mixture/high_quality; what most was measured of unless given.")
@click.option("--limits", is_flag=True, help="25 Gaussians: also what exact and Gaussian denoising steps can do.")
def plot(runs: tuple[str, ...], out: str, value: str | None, limits: bool) -> None:
    """Draw quality against network evaluations, as RUNs were measured: a line for each run and sampler.

    `gentool evaluate RUN --sweep sampler.steps=1,2,4` measures the points. Needs the extra `figures`.
    """
    from gentoolkit.evaluation.figures.plotting import styled, write_plot
    from gentoolkit.evaluation.figures.tradeoff import tradeoff

    with styled():  # what is missing is said before anything is measured
        found = tradeoff(runs, value, limits)
    write_plot(out, found.figure())
    click.echo(f"{found.value} under {found.measure} in {out}")
    for other in found.left_out:
        click.echo(f"left out, as another protocol: {other}")


def _value(value: Any) -> str:
    from gentoolkit.recipe.resolved import toml

    if value is None:
        return "-"
    if isinstance(value, bool | list | tuple | dict):
        return toml(value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
