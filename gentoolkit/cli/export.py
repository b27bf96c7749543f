"""`gentool export`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.argument("out")
def command(run: str, out: str) -> None:
    """Write the averaged weights of RUN, its recipe and a card into the new folder OUT, to be given away."""
    from gentoolkit.engine.trained import load
    from gentoolkit.interop.export import export

    trained = load(run, device="cpu")
    for warning in trained.warnings:
        click.echo(f"warning: {warning}", err=True)
    folder = export(trained, out)
    click.echo(f"{trained.name}: averaged weights of step {trained.step} in {folder}")
    if trained.loaded.local:
        click.echo("note: it holds code of yours, which others run only with --trust-local; a plugin would spare them that")
    click.echo(f"next: gentool sample {folder} -n 64 -o samples.png")
