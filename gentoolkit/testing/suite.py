"""What a contract suite is: checks of one slot, and the surroundings in which a component of that slot is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from attrs import evolve, field, frozen

from gentoolkit.components.model import StepModel
from gentoolkit.engine.assemble import build
from gentoolkit.registry import Component, Entry, Facts, GentoolError, RunRef

from .written import structured


@frozen(eq=False)
class Subject:
    """A registered component and the recipe snippet that makes its config."""

    entry: Entry
    cls: type[Component] | None = None
    snippet: Mapping[str, Any] = field(factory=dict)
    config: Component | None = None
    trouble: str = ""
    """Why there is no class, or no config."""

    @property
    def id(self) -> str:
        """`denoiser acme/unet@1`."""
        return f"{self.entry.slot} {self.entry.pinned}"

    @classmethod
    def of(cls, entry: Entry, options: Mapping[str, Mapping[str, Any]]) -> Subject:
        """The subject of a registration, with its snippet from the table that `plugin_contract` was given."""
        snippet = options.get(f"{entry.slot} {entry.pinned}", options.get(f"{entry.slot} {entry.name}", {}))
        try:
            component = entry.load()
        except GentoolError as error:
            return cls(entry, trouble=str(error))
        try:
            config = structured(component, {"use": entry.pinned, **snippet})
        except Exception as error:  # whatever is wrong with it, a test of its own tells
            return cls(entry, component, snippet, trouble=str(error))
        return cls(entry, component, snippet, config)


@frozen(eq=False)
class Case:
    """A config and the facts it is built under."""

    config: Any
    facts: Facts
    label: str = ""

    @property
    def id(self) -> str:
        """`denoiser acme/unet points latent`."""
        return " ".join(filter(None, (self.config.slot, self.config.name, self.label)))

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

    def cases_of(self, config: Any, facts: Iterable[Facts] | None = None) -> list[Case]:
        """The cases of one config; `facts` are a plugin author's own in place of the suite's."""
        if facts is not None:
            return [Case(config, f, f"facts{i}") for i, f in enumerate(facts)]
        return [Case(config, f, label) for label, f in self.cases(config) if fit(config, f)]


def fit(config: Any, facts: Facts) -> bool:
    """Whether a component has no complaint about the facts."""
    return not [*config.fits(facts), *config.check(facts)]
