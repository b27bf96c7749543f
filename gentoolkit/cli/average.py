"""`gentool average`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.argument("out")
@click.option("--sigma-rel", type=click.FloatRange(0, 0.28, min_open=True), required=True, help="Width of the average.")
@click.option("--step", type=click.IntRange(1), help="Where the average ends; at the last snapshot unless given.")
def command(run: str, out: str, sigma_rel: float, step: int | None) -> None:
    """Combine the snapshots of RUN, kept of a power-function average, into one of another width, in the new folder OUT."""
    from gentoolkit.engine.models.posthoc import synthesize

    made = synthesize(run, out, sigma_rel, step)
    click.echo(
        f"{made.folder}: sigma_rel = {sigma_rel:g} at step {made.step}, of {made.snapshots} snapshots; "
        f"{made.gap:.1%} of its profile is missed"
    )
    click.echo(f"next: gentool sample {made.folder} -n 64 -o samples.png")
