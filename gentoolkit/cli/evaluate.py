"""`gentool evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .tables import show_table

if TYPE_CHECKING:
    from gentoolkit.engine.samples.results import Spread
    from gentoolkit.evaluation.sweep import Point


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--metric", "names", multiple=True, help="Only this metric of the recipe; may be given several times.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the samples.")
@click.option("--seeds", help="Several of them, 0,1,2: mean ± deviation.")
@click.option(
    "--sweep", "axes", multiple=True, metavar="KEY=V,V,...", help="Every one of these values; may be given several times."
)
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes on this machine; the numbers stay the same.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(
    run: str,
    overrides: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    seeds: str | None,
    axes: tuple[str, ...],
    weights: str,
    nproc: int,
    device: str,
    trust_local: bool,
) -> int:
    """Measure RUN with the metrics of its recipe; each number comes with the protocol it was measured under.

    Another sampler or metric, or other settings of one: gentool evaluate RUN sampler.steps=2 metrics.modes.samples=500.
    Interrupted, the same command goes on where it was.
    """
    from gentoolkit import recipe as recipes
    from gentoolkit.engine.models.trained import CHANGEABLE, load, run_folder
    from gentoolkit.engine.processes.launch import is_follower, is_worker, launch
    from gentoolkit.engine.storage.folder import RESULTS
    from gentoolkit.evaluation.evaluate import evaluate
    from gentoolkit.evaluation.sweep import axis, sweep

    several = _seeds(seeds) if seeds is not None else (seed,)
    for text in axes:
        axis(text)
    if nproc > 1 and not is_worker():
        # The user's mistakes are said once, before any process starts.
        recipes.load(run_folder(run), overrides, trust_local=trust_local or None, only=CHANGEABLE)
        return launch(nproc, sys.argv[1:])
    trained = load(run, weights, device, trust_local or None, overrides)
    for warning in trained.warnings if not is_follower() else ():
        click.echo(f"warning: {warning}", err=True)
    if axes or len(several) > 1:
        points = sweep(trained, axes, names, several)
        if not is_follower():
            _tables(points)
            click.echo(f"appended to {trained.folder / RESULTS}")
        return 0
    results = evaluate(trained, names, several[0])
    if is_follower():
        return 0
    for result in results:
        click.secho(result.metric, bold=True)
        for name, value in result.values.items():
            click.echo(f"  {name:<28} {value:.4g}" if isinstance(value, float) else f"  {name:<28} {value}")
        click.echo(f"  protocol: {result.protocol}")
    click.echo(f"appended to {trained.folder / RESULTS}")
    return 0


def _seeds(text: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        found = (-1,)
    if min(found) < 0:
        raise click.UsageError(f"--seeds takes whole numbers from 0 on, separated by commas, not {text!r}")
    return found


def _tables(points: Sequence[Point]) -> None:
    """A table for each measuring protocol: its rows are points, its columns values."""
    tables: dict[tuple[str, str], list[tuple[str, dict[str, Spread]]]] = {}
    for point in points:
        for key, values in point.summary().items():
            tables.setdefault(key, []).append((" ".join(point.overrides), values))
    for (metric, protocol), rows in tables.items():
        click.secho(f"{metric}   {protocol}", bold=True)
        head = list(dict.fromkeys(name for _, values in rows for name in values))
        show_table(("  ", *head), [(f"  {label}", *(str(values.get(name, "-")) for name in head)) for label, values in rows])
