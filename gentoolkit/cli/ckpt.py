"""`gentool ckpt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gentoolkit.engine.storage.upkeep import Held


@click.group()
def command() -> None:
    """List, verify or prune the checkpoints of a run."""


@command.command()
@click.argument("run")
def ls(run: str) -> None:
    """List the checkpoints of RUN, newest first; nothing is verified."""
    from gentoolkit.engine.storage.upkeep import checkpoints

    show(run, checkpoints(run))


@command.command()
@click.argument("run")
def verify(run: str) -> int:
    """Read all files of RUN's checkpoints and compare them with what was committed; exit code 1 if one is damaged."""
    from gentoolkit.engine.storage.upkeep import checkpoints

    there = checkpoints(run, verify=True)
    show(run, there)
    return int(any(held.state == "damaged" for held in there))


@command.command()
@click.argument("run")
@click.option("--keep", type=click.IntRange(1), help="How many of the newest stay; training.keep of the recipe unless given.")
@click.option("--dry-run", is_flag=True, help="Delete nothing, and say what would go.")
def prune(run: str, keep: int | None, dry_run: bool) -> None:
    """Delete the checkpoints of RUN that its rules do not keep, damaged ones and uncommitted ones among the older."""
    from gentoolkit.engine.storage.upkeep import prune

    going = prune(run, keep, dry_run)
    for held in going:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {held.name}  {size(held.size)}  {said(held)}")
    if not going:
        click.echo("nothing to delete")


def show(run: str, there: list[Held]) -> None:
    """A line for each."""
    from gentoolkit.engine.storage.upkeep import age

    if not there:
        click.echo(f"{run} has no checkpoints yet")
        return
    width = max(len(held.name) for held in there)
    for held in there:
        click.echo(f"{held.name:<{width}}  {size(held.size):>9}  {age(held.time):<19}  {said(held)}")


def said(held: Held) -> str:
    """Its state, and why."""
    return held.state + (f": {held.problem}" if held.problem else "")


def size(number: int) -> str:
    """Bytes as people read them."""
    value, unit = float(number), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
