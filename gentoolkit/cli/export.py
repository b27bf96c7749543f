"""`gentool export`."""

from __future__ import annotations

import click

WORDS = {"ema": "averaged"}


@click.command()
@click.argument("run")
@click.argument("out")
@click.option("--weights", default="ema", show_default=True, help="ema, raw, or the name of another average of the recipe.")
def command(run: str, out: str, weights: str) -> None:
    """Write a model to be given away into the new folder OUT: RUN's averaged weights (or others), its recipe and a card."""
    from gentoolkit.engine.models.trained import load
    from gentoolkit.interop.export import export

    trained = load(run, weights, device="cpu")
    for warning in trained.warnings:
        click.echo(f"warning: {warning}", err=True)
    folder = export(trained, out)
    click.echo(f"{trained.name}: {WORDS.get(weights, weights)} weights of step {trained.step} in {folder}")
    if trained.loaded.local:
        click.echo("note: it holds code of yours, which others run only with --trust-local; a plugin would spare them that")
    click.echo(f"next: gentool sample {folder} -n 64 -o samples.png")
