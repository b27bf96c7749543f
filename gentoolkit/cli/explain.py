"""`gentool explain`."""

from __future__ import annotations

import inspect
from typing import Any

import click


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[SLOT] NAME")
def command(words: tuple[str, ...]) -> None:
    """Show what a component is and every option it takes, or a table of the recipe: gentool explain denoiser unet, gentool
    explain training."""
    from gentoolkit.registry import GentoolError, get_registry

    if len(words) > 2:
        raise click.UsageError("give a slot and a name, or a name alone")
    registry = get_registry()
    name = words[-1]
    table = _tables().get(name) if len(words) == 1 else None
    if len(words) == 2:
        entries = [registry.entry(words[0], name)]
    else:
        entries = [e for e in registry.entries() if e.name == name.partition("@")[0]]
        if not entries and table is None:
            import difflib

            near = difflib.get_close_matches(name, {e.name for e in registry.entries()} | set(_tables()), 3)
            hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else "; `gentool components` lists all"
            raise GentoolError(f"no component is called '{name}'{hint}")
    if table is not None:
        click.secho(f"[{name}]", bold=True)
        click.echo(f"  {inspect.cleandoc(table.__doc__)}\n".replace("\n", "\n  ").rstrip(" "))
        _options(table)
    for i, entry in enumerate(entries):
        if i or table is not None:
            click.echo()
        _show(entry)


def _tables() -> dict[str, Any]:
    """The recipe's own tables, which name no component, by name."""
    from gentoolkit.recipe.structure import section_of
    from gentoolkit.recipe.tree import Recipe
    from gentoolkit.registry import options

    sections = {name: section_of(option.type) for name, option in options(Recipe).items()}
    return {name: found for name, (found, _) in sections.items() if found is not None}


def _show(entry: Any) -> None:
    cls = entry.load()
    click.secho(f"{entry.slot} {entry.pinned}", bold=True)
    click.echo(f"  {inspect.cleandoc(cls.__doc__)}".replace("\n", "\n  "))
    for word in ("licence", "citation"):
        if (value := getattr(cls, word, "")) not in ("", "unknown"):
            click.echo(f"  {word}: {value}")
    click.echo()
    _options(cls)


def _options(cls: Any) -> None:
    from gentoolkit.registry import options

    found = options(cls)
    if not found:
        click.echo("  It has no options.")
    for option in found.values():
        default = "required" if option.required else f"default {_toml(option.default)}"
        click.echo(f"  {option.name}  ({_type(option.type)}, {default}{_bounds(option.bounds)})")
        click.echo(f"      {option.help}")


def _type(hint: Any) -> str:
    from attrs import has

    from gentoolkit.registry import slot_of

    slot, many = slot_of(hint)
    if slot is not None:
        name = slot.slot
        return f"table of {name}s" if many else name
    if getattr(hint, "__origin__", None) is dict and has(hint.__args__[1]):
        return "named tables"
    text = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", None) else str(hint)
    return text.replace("typing.", "").replace(" | None", " or absent").replace(", ...", " ...")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return "absent" if value is None else f'"{value}"' if isinstance(value, str) else f"{value}"


def _bounds(bounds: Any) -> str:
    if bounds.choices is not None:
        return ", one of " + ", ".join(_toml(c) for c in bounds.choices)
    signs = ((">=", bounds.ge), (">", bounds.gt), ("<=", bounds.le), ("<", bounds.lt))
    said = [f"{sign} {value:g}" for sign, value in signs if value is not None]
    return ", " + " and ".join(said) if said else ""
