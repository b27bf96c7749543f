"""`gentool evaluate`."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("run")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--metric", "names", multiple=True, help="Only this metric of the recipe; may be given several times.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the samples.")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes on this machine; the numbers stay the same.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(
    run: str,
    overrides: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    weights: str,
    nproc: int,
    device: str,
    trust_local: bool,
) -> int:
    """Measure RUN with the metrics of its recipe; each number comes with the protocol it was measured under.

    Another sampler or metric, or other settings of one: gentool evaluate RUN sampler.steps=2 metrics.modes.samples=500
    """
    from gentoolkit import recipe as recipes
    from gentoolkit.engine.models.trained import CHANGEABLE, load, run_folder
    from gentoolkit.engine.processes.launch import is_follower, is_worker, launch
    from gentoolkit.engine.storage.folder import RESULTS
    from gentoolkit.evaluation.evaluate import evaluate

    if nproc > 1 and not is_worker():
        # The user's mistakes are said once, before any process starts.
        recipes.load(run_folder(run), overrides, trust_local=trust_local or None, only=CHANGEABLE)
        return launch(nproc, sys.argv[1:])
    trained = load(run, weights, device, trust_local or None, overrides)
    for warning in trained.warnings if not is_follower() else ():
        click.echo(f"warning: {warning}", err=True)
    results = evaluate(trained, names, seed)
    if is_follower():
        return 0
    for result in results:
        click.secho(result.metric, bold=True)
        for name, value in result.values.items():
            click.echo(f"  {name:<28} {value:.4g}" if isinstance(value, float) else f"  {name:<28} {value}")
        click.echo(f"  protocol: {result.protocol}")
    click.echo(f"appended to {trained.folder / RESULTS}")
    return 0
