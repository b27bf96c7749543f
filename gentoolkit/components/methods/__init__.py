"""Methods: the divergence that is minimised, as an ordered plan of updates (paper, Eq. 4).

A method names its nets and says which optimizer steps make one training step. It knows nothing of ranks, devices,
precision or checkpoints: the engine runs the plan.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from attrs import frozen

from gentoolkit.registry import Complaint, Component, Facts, options

NO_SIGNAL = 1e-8
"""An alpha_T below this one is 0 to a loss whose weight is the SNR."""
UNTAUGHT = "its weight is 0 at t = T, where the schedule ends without signal: nothing teaches the network that step"


@frozen
class Net:
    """A named trained module. `ema` says whether averages of it are kept (for what is sampled from)."""

    name: str
    module: Any
    ema: bool = False


@frozen
class Term:
    """One named scalar loss of an update."""

    name: str
    weight: float | Callable[[int], float] = 1.0
    """Factor in the update's sum; a function of the step for warm-ups."""
    every: int = 1
    """It is part of the sum at steps 0, every, 2·every, ..."""
    second_order: bool = False

    def due(self, step: int) -> bool:
        """Whether the term is active in optimisation step `step` (0 is the first)."""
        return step % self.every == 0

    def weight_at(self, step: int) -> float:
        """The factor in force at `step`."""
        return self.weight(step) if callable(self.weight) else self.weight


@frozen
class Running:
    """Something an update keeps track of: an `nn.Module` of buffers alone, which go into checkpoints as weights do. After each
    of the update's steps its `follow` gets the means over the global batch of `Terms.running[name]`."""

    name: str
    module: Any


@dataclass(frozen=True, eq=False)
class Batch:
    """What a loss sees of the data: `x_0 [B, *shape]` and the `Condition` of the networks."""

    x_0: Any
    condition: Any


@dataclass(frozen=True, eq=False)
class Terms:
    """What a loss returns: each active term's value per sample, `[B]`; `t [B]` for the loss per step; `logs`, more
    per-sample diagnostics that train nothing; `running`, what the plan's `Running` modules follow, `[B]` by name.

    A value may be a function without arguments that makes it: the engine calls it in full precision, whatever the precision of
    the run. Second-order terms are given so, since a gradient of bf16 gradients carries percents of noise."""

    values: Mapping[str, Any]
    t: Any = None
    logs: Mapping[str, Any] = field(default_factory=dict)
    running: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settled(self) -> Terms:
        """The same with every value made."""
        return replace(self, values={name: value() if callable(value) else value for name, value in self.values.items()})


Loss = Callable[[Mapping[str, Any], Batch, Any, frozenset[str]], Terms]
"""`loss(nets, batch, rng, active) -> Terms`: `nets` maps names to callable modules, `rng` is a `Draw`, `active` names the
terms that are due. A pure function: everything random comes from `rng`, each draw under a name of its own."""


@frozen
class Update:
    """One optimizer step of one player."""

    name: str
    trains: tuple[str, ...]
    terms: tuple[Term, ...]
    loss: Loss
    optimizer: Any
    """The `Optimizer` component that steps this player."""
    every: int = 1
    """It runs at steps 0, every, 2·every, ..."""
    repeat: int = 1
    """n_critic: how often it runs within one step, each time on a batch of its own."""

    def active(self, step: int) -> frozenset[str]:
        """Names of the terms that are due at `step`."""
        return frozenset(t.name for t in self.terms if t.due(step))


@frozen
class Plan:
    """The nets and the ordered updates of a method."""

    nets: tuple[Net, ...]
    updates: tuple[Update, ...]
    running: tuple[Running, ...] = ()

    def due(self, step: int) -> list[Update]:
        """Updates that run in optimisation step `step` (0 is the first)."""
        return [u for u in self.updates if step % u.every == 0]


class Method(Component):
    """`build(facts, parts)` returns a `Plan`; `parts["model"]` is the step model, itself the module of the net `denoiser`.

    A method declares its own slots as options (`discriminator: Discriminator`), and ships default optimizers by update.
    """

    slot: ClassVar[str] = "method"

    optimizers: Any

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """Optimizers are named by update: an unknown name would be silently unused."""
        updates = options(type(self))["optimizers"].default
        for name in self.optimizers:
            if name not in updates:
                known = ", ".join(f"'{u}'" for u in updates)
                near = difflib.get_close_matches(name, updates, 1)
                yield f"optimizers.{name}", f"its updates are {known}", f"optimizers.{near[0]}" if near else ""
        for name in updates:
            if name not in self.optimizers:
                yield "optimizers", f"the update '{name}' has no optimizer"
