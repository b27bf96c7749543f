"""Names in a recipe: the component that a name means, and what to say about names that mean nothing."""

from __future__ import annotations

from collections.abc import Mapping

from gentoolkit.registry import Component, GentoolError, Option, get_registry

from .nearest import nearest
from .nodes import Dropped, Leaf, Node
from .strict import Mistake


def component_called(use: str, slot: type[Component]) -> type[Component]:
    """The class that `use` names in a slot.

    Raises:
        Mistake: nobody provides it; it says which name was meant.
    """
    try:
        cls = get_registry().find(slot.slot, use)
    except GentoolError as error:
        near = list(getattr(error, "near", ()))
        if "/" in use and near and all("/" not in n for n in near):
            near = [f"{n}/{use.partition('/')[2]}" for n in near]
        meant = nearest(use, near) or near[:1] if "/" in use else nearest(use, near)
        label = f"did you mean '{meant[0]}'?" if meant else ("there are: " + ", ".join(near) if near else "")
        if use.startswith("local/") and "local" not in get_registry().plugins:
            sentence = f"{slot.slot} '{use}' is code of yours, and the recipe names no file of yours"
            raise Mistake(sentence, "", '[local] modules = ["my_file.py"]') from None
        raise Mistake(str(error), label and f"{label}   (gentool components {slot.slot})") from None
    if not issubclass(cls, slot):
        raise Mistake(f"{slot.slot} '{use}' is no {slot.__name__}, which this option takes")
    return cls


def names_in(slot: type[Component]) -> list[str]:
    """The built-in components of a slot."""
    return list(dict.fromkeys(e.name for e in get_registry().entries(slot.slot, only="")))


def unknown_option(key: str, node: Node, known: Mapping[str, Option], owner: str, near: list[str]) -> Mistake:
    """What to say about a key that no option has; `near` holds the option that was probably meant."""
    if isinstance(node, Leaf) and isinstance(node.value, Dropped) and not node.value.found:
        sentence = f"there is nothing to drop: no option '{key}' in {owner}"
    elif owner == "a recipe":
        sentence = f"no table '{key}' in a recipe"
    else:
        sentence = f"no option '{key}' in {owner}"
    if near:
        label = f"did you mean '{near[0]}'?"
    else:
        label = "it has " + ", ".join(list(known)[:12]) if known else "it has no options"
    slot, _, name = owner.partition(" '")
    explained = name and not name.startswith("local/")
    return Mistake(sentence, label + (f"   (gentool explain {slot} {name[:-1]})" if explained else ""))


def a(noun: str) -> str:
    """The noun with its article."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"
