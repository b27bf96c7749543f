"""`gentool replay`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run")
@click.option("--step", type=click.IntRange(1), required=True, help="Which one, as the log counts.")
@click.option("--trust-local", is_flag=True, help="Run the code that an exported model's recipe brings.")
def command(run: str, step: int, trust_local: bool) -> None:
    """Take a step of RUN again, from the newest checkpoint before it, and say what in it is not finite."""
    from gentoolkit.engine.replay import replay

    click.echo(str(replay(run, step, trust_local or None)))
