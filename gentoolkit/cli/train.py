"""`gentool train`."""

from __future__ import annotations

import os
import sys

import click


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes on this machine.")
@click.option("--nnodes", default="1", help="Machines that train together, or MIN:MAX; each runs this command.")
@click.option("--rdzv", help="HOST:PORT where the machines meet; the one that is HOST keeps the place.")
@click.option("--rdzv-id", help="Name of the run there, if several meet at one place.")
@click.option(
    "--restarts", type=click.IntRange(0), default=3, show_default=True, help="Start again from the checkpoint after a loss."
)
@click.option("--allow-change", is_flag=True, help="Go on although the run folder's recipe differs.")
@click.option("--max-time", help="Stop after this time with a checkpoint, exit code 75: 2h30m, 90m, 3600, 1-00:00:00.")
@click.option("--dry-run", is_flag=True, help="Take two real steps in a temporary folder, and stop.")
@click.option("--no-deep", is_flag=True, help="Skip the check at real size; for parts that it cannot simulate.")
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
@click.option("--quiet", is_flag=True, help="Print warnings alone.")
def command(
    recipe: str,
    overrides: tuple[str, ...],
    nproc: int,
    nnodes: str,
    rdzv: str | None,
    rdzv_id: str | None,
    restarts: int,
    allow_change: bool,
    max_time: str | None,
    dry_run: bool,
    no_deep: bool,
    trust_local: bool,
    quiet: bool,
) -> int:
    """Train RECIPE (a file, or the name of a shipped one), going on from its newest checkpoint.

    Values may be changed on the way: gentool train quickstart training.steps=100
    """
    from gentoolkit.engine.processes.launch import is_follower, is_worker, launch, machines, started
    from gentoolkit.engine.processes.stopping import RESUMABLE, seconds

    until = None if max_time is None else started() + seconds(max_time)

    where = machines(nnodes, rdzv, rdzv_id)
    if (nproc > 1 or rdzv is not None) and not is_worker():
        from gentoolkit import recipe as recipes

        # The user's mistakes are said once, and looked for once, before any process starts.
        loaded = recipes.load(recipe, overrides, nproc=nproc * where.most, trust_local=trust_local or None)
        arguments = sys.argv[1:]
        if not no_deep:
            from gentoolkit.engine.train import FLOPS, deeply

            flops, unchecked = deeply(loaded)
            if unchecked:
                click.echo(f"warning: {unchecked}", err=True)
            if flops is not None:
                os.environ[FLOPS] = str(flops)
            arguments.insert(arguments.index("train") + 1, "--no-deep")
        return launch(nproc, arguments, where, restarts)
    from gentoolkit.engine.train import train

    if dry_run:
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            short = (*overrides, "training.steps=2", f"run.folder={scratch}/run", "run.checkpoints=none")
            train(recipe, short, quiet=quiet, deep=not no_deep, trust_local=trust_local or None)
        if not is_follower():
            click.echo("two steps went well; nothing was kept")
        return 0
    outcome = train(
        recipe,
        overrides,
        allow_change=allow_change,
        quiet=quiet,
        deep=not no_deep,
        trust_local=trust_local or None,
        until=until,
    )
    if not quiet and not is_follower():
        if outcome.code == RESUMABLE:
            click.echo(f"stopped after step {outcome.step} ({outcome.why}); the same command goes on from there")
        else:
            if outcome.start < outcome.step:
                click.echo(f"done: {outcome.step} steps in {outcome.folder}")
            click.echo(f"next: gentool sample {outcome.folder} -n 100 -o samples.png")
            if outcome.measurable:
                click.echo(f"      gentool evaluate {outcome.folder}")
    return outcome.code
