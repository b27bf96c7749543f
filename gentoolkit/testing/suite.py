"""What a contract suite is: checks of one slot, and the surroundings in which a component of that slot is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from attrs import evolve, field, frozen

from gentoolkit.components.model import StepModel
from gentoolkit.engine.assemble import build
from gentoolkit.recipe.check import parts_of
from gentoolkit.recipe.parts import part_from
from gentoolkit.registry import Component, Entry, Facts, GentoolError, RunRef, options

Snippet = Mapping[str, Any]
Snippets = Snippet | Sequence[Snippet]
"""Options as a recipe writes them, without `use`; or several such tables, each a component to check."""


@frozen(eq=False, repr=False)
class Subject:
    """A registered component and the recipe snippet that makes its config."""

    entry: Entry
    cls: type[Component] | None = None
    snippet: Snippet = field(factory=dict)
    config: Component | None = None
    trouble: str = ""
    """Why there is no class, or no config."""
    variant: str = ""
    """Which of several snippets: `a=1 b=2`."""

    @property
    def names(self) -> tuple[str, str]:
        """`denoiser acme/unet@1` and `denoiser acme/unet`, as the tables of a contract may name it."""
        return f"{self.entry.slot} {self.entry.pinned}", f"{self.entry.slot} {self.entry.name}"

    @property
    def id(self) -> str:
        """`denoiser acme/unet@1`, and the variant if there are several."""
        return f"{self.names[0]} {self.variant}".strip()

    def __repr__(self) -> str:
        return f"<{self.id}>"

    @classmethod
    def all_of(cls, entry: Entry, table: Mapping[str, Snippets]) -> list[Subject]:
        """The subjects of a registration: one for each of its snippets in the table that `plugin_contract` was given."""
        pinned, plain = cls(entry).names
        given = table.get(pinned, table.get(plain, {}))
        snippets = [given] if isinstance(given, Mapping) else list(given)
        try:
            component = entry.load()
        except GentoolError as error:
            return [cls(entry, trouble=str(error))]
        made = []
        for snippet in snippets:
            variant = "" if len(snippets) == 1 else _variant(component, snippet)
            try:
                config, trouble = part_from(component, {"use": entry.pinned, **snippet}), ""
            except Exception as error:  # whatever is wrong with it, a test of its own tells
                config, trouble = None, str(error)
            made.append(cls(entry, component, snippet, config, trouble, variant))
        return made


def _variant(component: type[Component], snippet: Snippet) -> str:
    """A snippet in a test's name, the same on every machine."""
    known = options(component)
    said = {k: v.get("use", "...") if isinstance(v, Mapping) else v for k, v in snippet.items()}
    return " ".join(f"{k}={v}" for k, v in said.items() if k in known and not known[k].path) or "plain"


@frozen(eq=False, repr=False)
class Case:
    """A config and the facts it is built under."""

    config: Any
    facts: Facts
    label: str = ""

    @property
    def id(self) -> str:
        """`denoiser acme/unet points latent`."""
        return " ".join(filter(None, (self.config.slot, self.config.name, self.label)))

    def __repr__(self) -> str:
        return f"<{self.id}>"

    def build(self, parts: Mapping[str, Any] | None = None, seed: int = 0) -> Any:
        """The working half, nested parts first, with initial weights that are a function of `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(self.config, self.facts, parts or {}, _teacher(self.facts))

    def with_options(self, **options: Any) -> Case:
        """The same case with other options."""
        return evolve(self, config=evolve(self.config, **options))


def _teacher(facts: Facts) -> Callable[[RunRef], StepModel]:
    def load(_: RunRef) -> StepModel:
        from .tiny import tiny_parts

        model: StepModel = tiny_parts(facts)["model"].requires_grad_(False).eval()
        return model

    return load


Check = Callable[[Case], None]


@frozen
class Suite:
    """The checks of a slot."""

    name: str
    cases: Callable[[Any], Iterable[tuple[str, Facts]]]
    """(label, facts) in which a config is checked; those that it says do not fit are left out."""
    checks: Sequence[Check]

    def cases_of(self, subject: Subject, facts: Iterable[Facts] | None = None) -> list[Case]:
        """The cases of one subject; `facts` are a plugin author's own in place of the suite's."""
        config, variant = subject.config, subject.variant
        if facts is not None:
            found = [(f"facts {i}", f) for i, f in enumerate(facts)]
        else:
            found = [(label, f) for label, f in self.cases(config) if fit(config, f)]
        return [Case(config, f, f"{variant} {label}".strip()) for label, f in found]


def fit(config: Any, facts: Facts) -> bool:
    """Whether a component and the parts below it have no complaint about the facts."""
    parts = [part for _, part in parts_of(config)]
    return not [*config.fits(facts), *config.check(facts)] and all(fit(part, facts) for part in parts)
