"""`gentool plugins`."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """List installed plugins: distribution, namespace, status, components."""
    from gentoolkit.registry import get_registry

    registry = get_registry()
    others = [p for name, p in registry.plugins.items() if name]
    if not others:
        click.echo("no plugins are installed; docs/how-to/write-a-plugin.md says how to write one")
        return
    for plugin in others:
        plugin.load()
        click.secho(f"{plugin.namespace}  ({plugin.distribution}): {plugin.status}", bold=True)
        if plugin.reason:
            click.echo(f"  {plugin.reason}")
        for entry in registry.entries(only=plugin.namespace):
            click.echo(f"  {entry.slot} {entry.name}  {entry.summary}")
