"""`gentool evaluate`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.option("--metric", "names", multiple=True, help="Only this metric of the recipe; may be given several times.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the samples.")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(run: str, names: tuple[str, ...], seed: int, weights: str, device: str, trust_local: bool) -> None:
    """Measure RUN with the metrics of its recipe; each number comes with the protocol it was measured under."""
    from gentoolkit.engine.folder import RESULTS
    from gentoolkit.engine.trained import load
    from gentoolkit.evaluation.evaluate import evaluate

    trained = load(run, weights, device, trust_local or None)
    for warning in trained.warnings:
        click.echo(f"warning: {warning}", err=True)
    for result in evaluate(trained, names, seed):
        click.secho(result.metric, bold=True)
        for name, value in result.values.items():
            click.echo(f"  {name:<28} {value:.4g}" if isinstance(value, float) else f"  {name:<28} {value}")
        click.echo(f"  protocol: {result.protocol}")
    click.echo(f"appended to {trained.folder / RESULTS}")
