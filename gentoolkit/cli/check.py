"""`gentool check`."""

from __future__ import annotations

import click


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Judge the batch of each of this many processes.")
@click.option("--files", is_flag=True, help="Also look for the data's files.")
def command(recipe: str, overrides: tuple[str, ...], nproc: int, files: bool) -> None:
    """Say whether the parts of RECIPE fit together; nothing is opened, built or started."""
    from gentoolkit import recipe as recipes

    loaded = recipes.load(recipe, overrides, nproc=nproc, files=files)
    r, facts = loaded.recipe, loaded.facts
    shape = "x".join(map(str, facts.shape))
    for note in loaded.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{loaded.name}: the parts fit\n"
        f"  {r.method.name} on {r.data.name} ({facts.kind}, {shape}), {r.process.schedule.name} schedule, T = {facts.steps}\n"
        f"  denoiser {r.model.denoiser.name}, latent {r.model.latent.name}, parametrization {r.model.parametrization.name}, "
        f"sampler {r.sampler.name}\n"
        f"  {r.training.steps:,} steps of {r.training.batch_size}"
    )
