"""`gentool classifier`."""

from __future__ import annotations

import click


@click.command()
@click.argument("use")
@click.argument("arguments", nargs=-1, metavar="[OPTION=VALUE]...")
@click.option("-o", "--out", required=True, help="The file, .safetensors.")
@click.option("--epochs", type=click.IntRange(1), default=4, show_default=True, help="Passes over the images.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and order.")
def command(use: str, arguments: tuple[str, ...], out: str, epochs: int, seed: int) -> None:
    """Train the small classifier by which metric `modes` counts, on data USE with its options: gentool classifier mnist
    source=data/mnist size=32 -o mnist.safetensors."""
    from gentoolkit.components.data import Data
    from gentoolkit.evaluation.classifier import train_classifier
    from gentoolkit.recipe.layers import with_arguments
    from gentoolkit.recipe.nodes import Table
    from gentoolkit.recipe.origins import words
    from gentoolkit.recipe.parts import part_from

    from .progress import Progress

    table = with_arguments(Table(origin=words("the arguments")), [f"use={use}", *arguments])
    data = part_from(Data, table)
    with Progress("training") as progress:
        made = train_classifier(data, out, epochs, seed, progress)
    click.echo(f"{out}: {made.classes} classes of {made.data}, {made.accuracy:.2%} right on {made.held_out} held-out images")
    click.echo(f'next: classifier = "{out}" in [metrics.modes]')
