"""`gentool sample`."""

from __future__ import annotations

import sys
from typing import Any

import click

from .sampled_figures import asked_figure, figure_options, numbers, size_of_grid, write_asked


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("-n", "count", type=click.IntRange(1), help="How many samples; 64, in a figure fewer.")
@click.option("-o", "out", help=".png (one picture; samples.png, or strip.png and so on), .zip (a PNG each) or .npz.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sample i depends on (seed, i) alone.")
@click.option("--y", "classes", help="Class, or classes separated by commas, repeated over the samples.")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes on this machine; the samples stay the same.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
@click.option("--quiet", is_flag=True, help="Print warnings alone.")
@figure_options
def command(
    run: str,
    overrides: tuple[str, ...],
    count: int | None,
    out: str | None,
    seed: int,
    classes: str | None,
    weights: str,
    nproc: int,
    device: str,
    trust_local: bool,
    quiet: bool,
    **figure: Any,
) -> int:
    """Draw samples from RUN, a run folder or an exported model. Interrupted, the same command goes on where it was.

    Another sampler, or other settings of it: gentool sample RUN sampler=ddim sampler.steps=2
    """
    from gentoolkit import recipe as recipes
    from gentoolkit.engine.models.trained import CHANGEABLE, load, run_folder
    from gentoolkit.engine.processes.launch import is_follower, is_worker, launch
    from gentoolkit.engine.samples.sample_files import check_target, write_samples
    from gentoolkit.evaluation.figures.files import PICTURE

    kind = asked_figure(figure, count, classes, nproc)
    cycle = None if classes is None else numbers(classes, "--y")
    n, target = count or 64, out or f"{kind or 'samples'}.png"
    if kind:
        check_target(target, PICTURE, "a figure")
        if kind == "grid":
            size_of_grid(figure["grid"])
        if is_follower():
            return 0
    if nproc > 1 and not is_worker():
        # The user's mistakes are said once, before any process starts.
        recipes.load(run_folder(run), overrides, trust_local=trust_local or None, only=CHANGEABLE)
        check_target(target)
        return launch(nproc, sys.argv[1:])
    trained = load(run, weights, device, trust_local or None, overrides)
    for warning in trained.warnings:
        if not is_follower():
            click.echo(f"warning: {warning}", err=True)
    if kind:
        said = write_asked(kind, figure, trained, count, target, seed, cycle)
        if not quiet:
            click.echo(f"{said}, seed {seed} ({trained.weights} weights of step {trained.step}) in {target}")
        return 0
    y = None if cycle is None else [cycle[i % len(cycle)] for i in range(n)]
    done = write_samples(trained, n, target, seed, y, quiet)
    if done and not quiet and not is_follower():
        click.echo(f"{n} samples of seed {seed} ({trained.weights} weights of step {trained.step}) in {target}")
    return 0 if done else 75
