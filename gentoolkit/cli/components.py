"""`gentool components`."""

from __future__ import annotations

import click


@click.command()
@click.argument("pattern", default="*")
@click.option("--slot", help="Only this slot.")
def command(pattern: str, slot: str | None) -> None:
    """List components, all or those whose name matches PATTERN ("ncsn*", "acme/*")."""
    from fnmatch import fnmatch

    from gentoolkit.registry import GentoolError, get_registry

    registry = get_registry()
    entries = registry.entries()
    slots = sorted({e.slot for e in entries})
    if slot is not None and slot not in slots:
        raise GentoolError(f"no slot is called '{slot}'; there are {', '.join(slots)}")
    found = [e for e in entries if slot in (None, e.slot) and fnmatch(e.name, pattern)]
    if not found:
        raise GentoolError(f"no component matches '{pattern}'; `gentool components` lists all")
    width = max(len(e.name) for e in found)
    last = ""
    for e in found:
        if e.slot != last:
            click.secho(("\n" if last else "") + e.slot, bold=True)
            last = e.slot
        version = f" (version {e.version})" if e.version > 1 else ""
        click.echo(f"  {e.name:<{width}}  {e.summary}{version}")
    for plugin in registry.plugins.values():
        if plugin.status in ("broken", "conflict"):
            click.echo(f"\nplugin '{plugin.namespace}' is {plugin.status}: {plugin.reason}")
