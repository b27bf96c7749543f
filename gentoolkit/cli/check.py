"""`gentool check`."""

from __future__ import annotations

import click


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Judge the batch of each of this many processes.")
@click.option("--deep", is_flag=True, help="Also build the parts at their real size and run every loss, without memory.")
@click.option("--files", is_flag=True, help="Also look for the data's files.")
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(recipe: str, overrides: tuple[str, ...], nproc: int, deep: bool, files: bool, trust_local: bool) -> None:
    """Say whether the parts of RECIPE fit together; nothing is opened or started."""
    from gentoolkit.engine.checking.check import check

    loaded = check(recipe, overrides, nproc=nproc, files=files, deep=deep, trust_local=trust_local or None)
    r, facts = loaded.recipe, loaded.facts
    for note in loaded.notes:
        click.echo(f"note: {note}")
    if loaded.deep is not None:
        click.echo(f"{loaded.name}: the parts fit, built at their real size\n{loaded.deep}")
        return
    shape = "x".join(map(str, facts.shape))
    click.echo(
        f"{loaded.name}: the parts fit\n"
        f"  {r.method.name} on {r.data.name} ({facts.kind}, {shape}), {r.process.schedule.name} schedule, T = {facts.steps}\n"
        f"  denoiser {r.model.denoiser.name}, latent {r.model.latent.name}, parametrization {r.model.parametrization.name}, "
        f"sampler {r.sampler.name}\n"
        f"  {r.training.steps:,} steps of {r.training.batch_size}"
    )
