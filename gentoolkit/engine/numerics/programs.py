"""Compiled losses, one program for each update and each set of terms that are active in it.

What is compiled is the loss, not a net: a compiled net has no second derivative, and the loss runs inside the shells whatever
they are wrapped in. Noise is drawn before and handed in. Before a program is used for the first time it is compared with the
eager loss on that very micro-batch, values and gradients, at weights that are stirred for the comparison: at the first step
many layers are zero, and would hide what lies behind them. What is not equal, or cannot be compiled, runs eagerly ("auto") or
ends the run ("all"). The choice is kept in the run folder, so that a resumed run makes the same one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, frozen
from torch import Tensor, nn

from gentoolkit.components.methods import Batch, Loss, Terms, Update
from gentoolkit.components.model import Condition
from gentoolkit.components.networks.layers import full_precision
from gentoolkit.diffusion import Draw
from gentoolkit.registry import GentoolError

from ..processes.world import World
from ..storage.folder import known_programs, record_program
from .noise import Given, Noted, drawn

BACKEND = "inductor"
TOLERANCE = {"fp64": 1e-9, "fp32": 1e-3, "bf16": 5e-2}
"""Largest difference of values and gradients that passes: rounding, which a kink or a small norm makes larger."""
STIR = 0.1
"""How far weights are moved for the comparison, in units of 1 / sqrt(fan-in)."""


@frozen
class Verdict:
    """What became of one program."""

    compiled: bool
    difference: float | None = None
    """From the eager loss; None where there was none to compare."""
    reason: str = ""
    """Why it runs eagerly."""
    seconds: float = 0.0
    batch: int = 0
    """Samples that it was compiled for."""


class Programs:
    """The losses of a run as they are run: compiled where that is asked for and holds.

    Args:
        mode: `off`, `auto` or `all`.
        precision: `fp32`, `bf16` or `fp64`; what the comparison may be off by.
        world: this process.
        deterministic: whether a program must give the same bits in every process that compiles it.
        refusal: why nothing can be compiled here, if so.
    """

    def __init__(self, mode: str, precision: str, world: World, deterministic: bool = True, refusal: str = "") -> None:
        self.mode, self.world, self.refusal = mode, world, refusal
        self.tolerance, self.deterministic = TOLERANCE[precision], deterministic
        self.folder: Path | None = None
        self.say: Callable[[str], None] = lambda text: None
        self.spending: Callable[[str], AbstractContextManager[None]] = lambda what: nullcontext()
        """Where the time of compiling is counted, which is no training."""
        self.verdicts: dict[str, Verdict] = {}
        """What became of every program so far, by update and terms."""
        self._losses: dict[tuple[str, frozenset[str]], Loss] = {}
        self._known: dict[str, dict[str, Any]] | None = None

    def keep(self, folder: Path, say: Callable[[str], None]) -> None:
        """Record verdicts in a run folder from now on, and tell them."""
        self.folder, self.say = folder, say

    def loss(self, update: Update, active: frozenset[str]) -> Loss:
        """The loss of an update: `settle` has chosen it, or it is the eager one."""
        return self._losses.get((update.name, active)) or eager(update.loss)

    def settle(
        self,
        update: Update,
        modules: Mapping[str, nn.Module],
        batch: Batch,
        draw: Draw,
        active: frozenset[str],
        total: Callable[[Terms], Tensor],
    ) -> None:
        """Choose how the loss is run under these terms, if that is not done yet. Changes no weight, buffer, gradient or
        generator. All processes must call it; what one of them cannot compile, none of them does.

        Args:
            modules: the nets, not wrapped.
            total: the scalar that is differentiated.

        Raises:
            GentoolError: everything is to be compiled, and this cannot be or is not equal.
        """
        key = update.name, active
        if self.mode == "off" or key in self._losses:
            return
        name = f"{update.name} ({', '.join(t.name for t in update.terms if t.name in active)})"
        started, known = time.monotonic(), self.known(name, len(draw))
        plain, chosen, verdict = eager(update.loss), eager(update.loss), Verdict(False, reason=self.refusal)
        if not self.refusal and known != EAGER:
            weights = [w for n in update.trains for w in modules[n].parameters() if w.requires_grad]
            with self.spending("compiling"):
                program, verdict = self.compared(plain, modules, weights, batch, draw, active, total, known == COMPILED)
            if self.world.agree(int(not verdict.compiled)) and verdict.compiled:
                verdict = Verdict(False, verdict.difference, "another process could not compile it")
            chosen = program if verdict.compiled and program is not None else plain
        elif known == EAGER:
            verdict = Verdict(False, reason=str((self._known or {}).get(name, {}).get("reason", "it did so before")))
        verdict = Verdict(verdict.compiled, verdict.difference, verdict.reason, time.monotonic() - started, len(draw))
        if self.mode == "all" and not verdict.compiled:
            raise GentoolError(
                f'training.compile = "all", but the loss of {name} cannot be: {verdict.reason}; '
                'use compile = "auto", which runs it eagerly, or "off"'
            )
        self._losses[key], self.verdicts[name] = chosen, verdict
        if self.world.first and self.folder is not None:
            record_program(self.folder, name, asdict(verdict))
        self.say(sentence(name, verdict))

    def known(self, name: str, batch: int) -> int:
        """What an earlier start in this folder chose, on the same machine and for the same batch; the first process decides."""
        choice = UNKNOWN
        if self.world.first and self.folder is not None:
            if self._known is None:
                self._known = known_programs(self.folder)
            found = self._known.get(name)
            if found and found.get("batch") == batch:
                choice = COMPILED if found["compiled"] else EAGER
        return self.world.agree(choice)

    def compared(
        self,
        plain: Loss,
        modules: Mapping[str, nn.Module],
        weights: Sequence[Tensor],
        batch: Batch,
        draw: Draw,
        active: frozenset[str],
        total: Callable[[Terms], Tensor],
        trusted: bool,
    ) -> tuple[Loss | None, Verdict]:
        """(the program, whether it is equal to the eager loss); a `trusted` one was so before."""
        devices = [self.world.device.index or 0] if self.world.device.type == "cuda" else []
        noted, found = Noted(draw.scope()), []
        with torch.random.fork_rng(devices), stirred(modules.values()), hooks_kept():
            try:
                program = Compiled(plain, active, noted.requests, self.deterministic)
                for loss, rng in ((plain, noted), (program, draw.scope())):
                    torch.manual_seed(draw.seed())
                    terms = loss(modules, batch, rng, active)
                    gradients = torch.autograd.grad(total(terms), weights, allow_unused=True)
                    found.append(([v.detach() for v in terms.values.values()], gradients))
            except Exception as error:  # whatever a compiler may raise: none of it may end a run that can do without
                return None, Verdict(False, reason=first_line(error))
        (values, expected), (others, gradients) = found
        apart = max(difference(values, others), difference(expected, gradients))
        if apart <= self.tolerance or trusted:
            return program, Verdict(True, apart)
        return None, Verdict(False, apart, f"it differs from the eager loss by {apart:.1e}, more than {self.tolerance:.0e}")


UNKNOWN, COMPILED, EAGER = 0, 1, 2


def eager(loss: Loss) -> Loss:
    """A loss with every term made, in full precision those that were left to be made so."""

    def terms(nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        found = loss(nets, batch, rng, active)
        with full_precision(batch.x_0.device):
            return found.settled()

    return terms


class Compiled:
    """A loss as a compiled program; called like any loss.

    Args:
        loss: the eager loss.
        active: the terms that are due.
        requests: what it draws, from `Noted`.
        deterministic: whether the choice of kernels may not depend on timings.
    """

    def __init__(self, loss: Loss, active: frozenset[str], requests: Mapping[Any, Any], deterministic: bool) -> None:
        self.requests = requests

        def program(nets: Any, tensors: dict[str, Tensor], noise: Any) -> Any:
            extra = {k.removeprefix("+"): v for k, v in tensors.items() if k.startswith("+")}
            condition = Condition(tensors.get("y"), tensors.get("w"), extra)
            terms = loss(nets, Batch(tensors["x_0"], condition), Given(noise), active)
            return dict(terms.values), terms.t, dict(terms.logs), {k: dict(v) for k, v in terms.running.items()}

        # Programs are kept by code object, a few for each: with a code of its own none pushes out another.
        program.__code__ = program.__code__.replace(co_name="_".join(["loss", *sorted(active)]))
        # Shells run inside DDP, which would have dynamo split the graph at its buckets; second derivatives need it whole.
        torch._dynamo.config.optimize_ddp = False
        options: dict[str, Any] | None = None
        if BACKEND == "inductor":
            options = {"fallback_random": True}  # dropout draws what it draws eagerly
            if hasattr(torch._inductor.config, "deterministic"):
                options["deterministic"] = deterministic
        self.program = torch.compile(program, backend=BACKEND, fullgraph=True, dynamic=False, options=options)

    def __call__(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        condition = batch.condition
        tensors = {"x_0": batch.x_0, **{f"+{name}": value for name, value in condition.tensors.items()}}
        tensors |= {name: value for name, value in (("y", condition.y), ("w", condition.w)) if value is not None}
        return Terms(*self.program({n: nets[n] for n in sorted(nets)}, tensors, drawn(self.requests, rng)))


@contextmanager
def hooks_kept() -> Iterator[None]:
    """What saves tensors for a backward pass in a way of its own, as activation checkpointing does, may do so afterwards if it
    might before: a compilation that fails within a second derivative leaves that forbidden."""
    hooks = torch._C._autograd
    forbidden = hooks._saved_tensors_hooks_get_disabled_error_message()
    try:
        yield
    finally:
        if forbidden is None:
            hooks._saved_tensors_hooks_enable()
        else:
            hooks._saved_tensors_hooks_disable(forbidden)


@contextmanager
def stirred(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Weights moved at random while the block runs; they and all buffers have their bits back after it."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        kept = [(t, t.detach().clone()) for m in modules for t in (*m.parameters(), *m.buffers())]
        for weight, _ in kept:
            if isinstance(weight, nn.Parameter) and weight.dim() > 1:
                far = STIR / weight[0].numel() ** 0.5
                weight.add_(far * torch.randn(weight.shape, generator=noise).to(weight))
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)


def difference(expected: Sequence[Tensor | None], found: Sequence[Tensor | None]) -> float:
    """The largest distance between two lists of tensors, each relative to its norm; of small ones, to a tenth of what is usual
    in the list. Infinite where one has a tensor and the other none, or a number is not finite."""
    if [t is None for t in expected] != [t is None for t in found]:
        return float("inf")
    pairs = [(e.double(), f.double()) for e, f in zip(expected, found, strict=True) if e is not None and f is not None]
    if not pairs:
        return 0.0
    norms = torch.stack([e.norm() for e, _ in pairs])
    floor = (norms.square().mean().sqrt() / 10).clamp(min=1e-30)
    apart = torch.stack([(e - f).norm() for e, f in pairs]) / norms.maximum(floor)
    return float(apart.nan_to_num(torch.inf).max())


def first_line(error: Exception) -> str:
    """What an error says, short: compilers wrap the one that matters, and explain at length."""
    error = getattr(error, "inner_exception", error)
    return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0][:300]}"


def sentence(name: str, verdict: Verdict) -> str:
    """A verdict for the console."""
    if verdict.compiled:
        return f"compiled: {name}, within {verdict.difference:.0e} of the eager loss, {verdict.seconds:.0f} s"
    return f"not compiled: {name}; it runs eagerly, since {verdict.reason}"
