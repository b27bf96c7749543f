"""Whether the parts fit: facts flow down a fixed order, each part says what it cannot take and adds what it knows.

Nothing is built and nothing is opened. The order is data, condition, process, latent, parametrization, denoiser, method
with its parts, sampler, metrics, observers; a part's own parts come before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from gentoolkit.registry import Component, Facts, RunRef, get_registry

from .nodes import Table, closest
from .parallelism import parallelism
from .positions import Keys
from .problems import Note, Problem
from .structure import Missing, Partial, options_of
from .tree import Recipe

_NAME = re.compile(r"\w[\w.+ -]{0,199}\Z")
_AVERAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")
RESERVED = ("ema", "raw")
"""What `--weights` takes besides the names in `[ema.more]`: the first average, and the weights themselves."""


class Check:
    """One walk over a recipe; afterwards `facts`, `problems` and `notes` hold what it found."""

    def __init__(self, tree: Table, nproc: int = 1) -> None:
        self.tree = tree
        self.nproc = nproc
        self.facts = Facts()
        self.problems: list[Problem] = []
        self.notes: list[Note] = []

    def walk(self, recipe: Recipe | Partial) -> None:
        """Go down the order of facts, as far as the recipe could be structured."""
        try:
            self.name(recipe)
            self.part(("data",), recipe.data)
            self.condition(recipe.model.condition, recipe.model.label_dropout)
            self.facts = self.facts.with_({"steps": recipe.process.steps, "spacing": recipe.process.spacing})
            self.part(("process", "schedule"), recipe.process.schedule)
            for slot in ("latent", "parametrization", "denoiser"):
                self.part(("model", slot), getattr(recipe.model, slot))
            self.parallel(recipe.training)
            self.batch(recipe.training)
            self.averages(recipe.ema)
            self.start(recipe.start)
            self.part(("method",), recipe.method)
            self.part(("sampler",), recipe.sampler)
            for kind in ("metrics", "observers"):
                for name, one in getattr(recipe, kind).items():
                    self.part((kind, name), one)
            self.evaluations(recipe.training, recipe.metrics)
        except (Missing, _Stop):
            pass

    def part(self, keys: Keys, part: Component) -> None:
        """A component's parts, then itself: complaints, notes, and what it offers to those after it."""
        for below, inner in parts_of(part):
            self.part((*keys, *below), inner)
        complaints = 0
        try:
            for question in (part.fits, part.check):
                for complaint in question(self.facts):
                    if not isinstance(complaint, tuple):
                        raise TypeError(f"a complaint is (option, sentence[, what to try]), not {complaint!r}")
                    option, sentence, *instead = complaint
                    complaints += 1
                    self.complain(keys, part, option, sentence, "".join(instead[:1]))
            if not complaints:
                for option, sentence in part.note(self.facts):
                    path = (*keys, *([] if option == "use" else option.split(".")))
                    self.notes.append(Note(".".join(path), sentence, closest(self.tree, path)[0].where))
            self.facts = self.facts.with_(self.offered(part))
        except (Exception, SystemExit) as error:  # anything a component raises here is a fault of the component
            if not complaints:
                self.problems.append(self.fault(keys, part, error))
            raise _Stop from None

    def offered(self, part: Component) -> Mapping[str, Any]:
        """What a part offers: facts that are its slot's to offer, and facts of its own namespace."""
        offer = part.offer(self.facts)
        if strange := sorted(key for key in offer if key not in part.offers and "/" not in key):
            raise TypeError(f"'{strange[0]}' is not for a {part.slot} to offer")
        return offer

    def complain(self, keys: Keys, part: Component, option: str, sentence: str, instead: str) -> None:
        """A part's complaint, at its option where the recipe has it."""
        path = (*keys, *option.split("."))
        said = f"{part.slot} '{part.name}' does not fit the rest of the recipe"
        self.problems.append(Problem(said, path, closest(self.tree, path)[0], sentence, hint=instead))

    def fault(self, keys: Keys, part: Component, error: BaseException) -> Problem:
        """A component's own bug, named with who is to be told."""
        namespace = part.name.partition("/")[0] if "/" in part.name else ""
        plugin = get_registry().plugins.get(namespace)
        provider = plugin.distribution if plugin else "its provider"
        said = f"{part.slot} '{part.name}' failed in its own check: {type(error).__name__}: {error}"
        label = f"this is a bug of {provider}, not of the recipe"
        return Problem(said, (*keys, "use"), closest(self.tree, (*keys, "use"))[0], label)

    def problem(self, keys: Keys, sentence: str, label: str = "", hint: str = "") -> None:
        """A problem of the recipe as a whole."""
        self.problems.append(Problem(sentence, keys, closest(self.tree, keys)[0], label, hint=hint))

    def name(self, recipe: Recipe | Partial) -> None:
        """The run's name is a folder's name."""
        name = recipe.run.name
        if name is not None and not _NAME.match(name):
            self.problem(("run", "name"), "a run's name is the name of a folder", "letters, digits and - _ . + only")

    def condition(self, condition: str, label_dropout: float) -> None:
        """Labels are used only when asked for, and asked for only where there are some."""
        if condition == "class":
            if self.facts.labels is None:
                said = f"the model is conditioned on the class, but data '{self.facts.data}' has no labels"
                self.problem(("model", "condition"), said, hint='condition = "none"')
            self.facts = self.facts.with_({"classes": self.facts.labels})
        elif label_dropout > 0:
            said = "label_dropout hides labels, but the model is not conditioned on any"
            self.problem(("model", "label_dropout"), said, hint='condition = "class"')

    def parallel(self, training: Any) -> None:
        """How processes share the run, against their number; what weights in shards cannot be."""
        said = training.parallel
        try:
            if parallelism(said, self.nproc).sharded and training.channels_last == "on":
                label = f'parallel = "{said}" lays them in shards'
                self.problem(
                    ("training", "channels_last"),
                    "weights that lie channels-last cannot be cut",
                    label,
                    'channels_last = "auto"',
                )
        except ValueError as error:
            sentence, hint = error.args
            self.problem(("training", "parallel"), sentence, hint=hint)

    def batch(self, training: Any) -> None:
        """The global batch against the number of processes, a process's share against the micro-batch."""
        size, micro, n = training.batch_size, training.micro_batch, self.nproc
        share, rest = divmod(size, n)
        if rest:
            legal = [s for s in (share * n, (share + 1) * n) if s]
            said = f"a batch of {size} cannot be shared equally by {n} processes"
            instead = " or ".join(f"batch_size = {s}" for s in legal)
            self.problem(("training", "batch_size"), said, f"{size} / {n} is not whole", instead)
        elif micro is not None and share % micro:
            each = f"{share} samples" if n == 1 else f"{share} samples per process ({size} / {n})"
            legal = [d for d in range(1, min(share, 100_000) + 1) if share % d == 0]
            near = sorted(sorted(legal, key=lambda d: abs(d - micro))[:6])
            said = f"a micro-batch of {micro} does not divide the batch"
            instead = "micro_batch = " + " or ".join(map(str, near))
            self.problem(("training", "micro_batch"), said, f"it must divide {each}", instead)
        seen = max(1, min(micro or share, max(share, 1)))
        self.facts = self.facts.with_(
            {"training_steps": training.steps, "batch": seen, "batch_size": max(1, size), "processes": n}
        )

    def evaluations(self, training: Any, metrics: Mapping[str, Any]) -> None:
        """There is something to measure while the run goes on, and a best one can be told from it."""
        looking = {name: metric for name, metric in metrics.items() if metric.samples}
        if training.evaluate_every is not None and not looking:
            said = "there is nothing to measure: no metric looks at samples"
            self.problem(("training", "evaluate_every"), said, hint="a table such as [metrics.modes]")
        if training.keep_best is None:
            return
        known = [f"{name}/{value}" for name, metric in looking.items() for value in type(metric).better]
        if training.evaluate_every is None:
            said = "without evaluate_every nothing is measured while the run goes on"
            self.problem(("training", "keep_best"), said, hint="evaluate_every = 1000")
        elif training.keep_best not in known:
            said = "this names no value of which its metric says whether more or less of it is better"
            hint = " or ".join(f'keep_best = "{name}"' for name in known)
            self.problem(("training", "keep_best"), f"no best checkpoint can be told by '{training.keep_best}'", said, hint)

    def averages(self, ema: Any) -> None:
        """Each average forgets in one way, and has a name that `--weights` can tell from the others."""
        if ema.half_life is not None and ema.sigma_rel is not None:
            self.problem(("ema", "sigma_rel"), "an average forgets in one way", "[ema] gives half_life, too")
        for name, one in ema.more.items():
            keys = ("ema", "more", name)
            if name in RESERVED or not _AVERAGE.match(name):
                said = "letters, digits, - and _ only, and neither 'ema' nor 'raw', which stand for others"
                self.problem(keys, f"an average cannot be called '{name}'", said)
            given = [option for option in ("decay", "half_life", "sigma_rel") if getattr(one, option) is not None]
            if len(given) != 1:
                said = f"this one gives {' and '.join(given)}" if given else "this one gives none"
                ways = "decay = 0.9999, half_life = 500_000 (images) or sigma_rel = 0.05"
                self.problem(keys, f"an average forgets in one way, decay, half_life or sigma_rel: {said}", hint=ways)

    def start(self, start: Any) -> None:
        """The weights that training begins with; a run that has begun does not need them any more."""
        if start is not None and not _is_run(start.run):
            said = "there is no run there (no recipe.toml); a new run cannot begin without it, one that has begun goes on"
            self.notes.append(Note("start.run", said, closest(self.tree, ("start", "run"))[0].where))

    def files(self, recipe: Recipe | Partial) -> None:
        """Files that the parts need and that are not there."""
        start = None if isinstance(recipe, Partial) else recipe.start
        if start is not None and not _is_run(start.run):
            self.problem(("start", "run"), f"there is no run in '{start.run}'", "no recipe.toml lies there")
        for keys, part in all_parts(recipe):
            wanted = part.files() if hasattr(part, "files") else ()
            for file in wanted:
                if "://" not in file and not os.path.exists(file):
                    option = next((n for n in options_of(type(part)) if getattr(part, n) == file), "use")
                    self.problem((*keys, option), f"{part.slot} '{part.name}' needs '{file}', which does not exist")
            for file in part.weight_files() if hasattr(part, "weight_files") else ():
                if trouble := file.trouble():
                    option = "weights" if getattr(part, "weights", None) else "use"
                    self.problem((*keys, option), f"{part.slot} '{part.name}': {trouble}")
            for name in options_of(type(part)):
                value = getattr(part, name)
                if isinstance(value, RunRef) and not _is_run(value.path):
                    self.problem((*keys, name), f"there is no run in '{value.path}'", "no recipe.toml lies there")


def _is_run(path: str) -> bool:
    """Whether a run or an exported model lies in a folder."""
    return os.path.exists(os.path.join(path, "recipe.toml"))


def name_from(stem: str) -> str:
    """A run's name made of a recipe file's: what cannot stand in a folder's name becomes a dash."""
    return re.sub(r"[^\w.+ -]", "-", stem).lstrip(".+ -") or "unnamed"


class _Stop(Exception):
    """Facts are not known from here on."""


def parts_of(part: Any) -> Iterator[tuple[Keys, Component]]:
    """The components right below a component or section, in the order of its options."""
    for name in options_of(type(part)):
        value = getattr(part, name)
        if isinstance(value, Component):
            yield (name,), value
        elif isinstance(value, dict):
            yield from (((name, key), one) for key, one in value.items() if isinstance(one, Component))
        elif attrs.has(type(value)) and not isinstance(value, RunRef):
            yield from (((name, *keys), one) for keys, one in parts_of(value))


def all_parts(recipe: Recipe | Partial, keys: Keys = ()) -> Iterator[tuple[Keys, Component]]:
    """All components of a recipe, owners before their parts."""
    if isinstance(recipe, Partial):
        return
    for below, part in parts_of(recipe):
        yield from _with_parts(part, (*keys, *below))


def with_parts(part: Component) -> Iterator[Component]:
    """A component and all parts below it."""
    return (one for _, one in _with_parts(part, ()))


def _with_parts(part: Component, keys: Keys) -> Iterator[tuple[Keys, Component]]:
    yield keys, part
    for below, inner in parts_of(part):
        yield from _with_parts(inner, (*keys, *below))
