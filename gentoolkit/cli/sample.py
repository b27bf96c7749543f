"""`gentool sample`."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("-n", "count", type=click.IntRange(1), default=64, show_default=True, help="How many samples.")
@click.option("-o", "out", default="samples.png", show_default=True, help=".png (one picture), .zip (a PNG each) or .npz.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sample i depends on (seed, i) alone.")
@click.option("--y", "classes", help="Class, or classes separated by commas, repeated over the samples.")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes on this machine; the samples stay the same.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
@click.option("--quiet", is_flag=True, help="Print warnings alone.")
def command(
    run: str,
    overrides: tuple[str, ...],
    count: int,
    out: str,
    seed: int,
    classes: str | None,
    weights: str,
    nproc: int,
    device: str,
    trust_local: bool,
    quiet: bool,
) -> int:
    """Draw samples from RUN, a run folder or an exported model. Interrupted, the same command goes on where it was.

    Another sampler, or other settings of it: gentool sample RUN sampler=ddim sampler.steps=2
    """
    from gentoolkit import recipe as recipes
    from gentoolkit.engine.models.trained import CHANGEABLE, load, run_folder
    from gentoolkit.engine.processes.launch import is_follower, is_worker, launch
    from gentoolkit.engine.samples.sample_files import check_target, write_samples

    asked = _classes(classes, count)
    if nproc > 1 and not is_worker():
        # The user's mistakes are said once, before any process starts.
        recipes.load(run_folder(run), overrides, trust_local=trust_local or None, only=CHANGEABLE)
        check_target(out)
        return launch(nproc, sys.argv[1:])
    trained = load(run, weights, device, trust_local or None, overrides)
    for warning in trained.warnings:
        if not is_follower():
            click.echo(f"warning: {warning}", err=True)
    done = write_samples(trained, count, out, seed, asked, quiet)
    if done and not quiet and not is_follower():
        click.echo(f"{count} samples of seed {seed} ({trained.weights} weights of step {trained.step}) in {out}")
    return 0 if done else 75


def _classes(text: str | None, count: int) -> list[int] | None:
    if text is None:
        return None
    try:
        cycle = [int(word) for word in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--y takes whole numbers separated by commas, not {text!r}") from None
    return [cycle[i % len(cycle)] for i in range(count)]
