"""`gentool slurm`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option(
    "--gpus", type=click.IntRange(0), default=1, show_default=True, help="Of each machine, a process each; 0 is its CPU."
)
@click.option("--time", required=True, help="Of the job: 2h30m, 90m, 1-00:00:00.")
@click.option("--partition", help="Of the cluster; its default unless given.")
@click.option("-o", "out", default="job.sh", show_default=True, help="The job file.")
def command(recipe: str, overrides: tuple[str, ...], nodes: int, gpus: int, time: str, partition: str | None, out: str) -> None:
    """Write the job file that trains RECIPE under Slurm, checked first."""
    from gentoolkit.engine.processes.slurm import job
    from gentoolkit.registry import GentoolError

    text = job(recipe, overrides, nodes=nodes, gpus=gpus, time=time, partition=partition)
    try:
        Path(out).write_text(text)
    except OSError as error:
        raise GentoolError(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"next: sbatch {out}")
