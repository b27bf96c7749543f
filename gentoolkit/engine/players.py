"""Players: an update's nets, its optimizer and its learning rate, ready to take one optimizer step.

A step whose gradient is not finite changes nothing: not the weights, nor the buffers of nets, nor what regularizers keep track
of. The flag stays on the device, where the fused optimizers read it (`guard.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.methods import Batch, Plan, Terms, Update
from gentoolkit.diffusion import Draw
from gentoolkit.recipe.parallelism import Parallelism
from gentoolkit.recipe.tree import Training
from gentoolkit.registry import Facts

from .average import hollow
from .guard import Guard
from .log.moments import Moments
from .numerics.precision import arithmetic
from .numerics.programs import Programs
from .processes.shell import inside
from .processes.world import World
from .processes.wrap import Wrap, clip, mesh_of, total_norm, wrap


class Nets:
    """The nets of a plan on their device, each in its shell.

    Args:
        plan: the plan.
        world: this process.
        dtype: of weights and buffers.
        parallel: how the processes share them.
    """

    def __init__(self, plan: Plan, world: World, dtype: torch.dtype, parallel: Parallelism) -> None:
        self.modules: dict[str, nn.Module] = {}
        self.wraps: dict[str, Wrap] = {}
        self.hollows: dict[str, nn.Module] = {}
        """Copies without memory of the nets that lie in shards: what an average is put together in."""
        self.running: dict[str, nn.Module] = {r.name: r.module.to(world.device, dtype) for r in plan.running}
        mesh = mesh_of(parallel, world.device)
        for net in plan.nets:
            self.modules[net.name] = net.module.to(world.device, dtype)
            if parallel.sharded and net.ema:
                self.hollows[net.name] = hollow(net.module)
            self.wraps[net.name] = wrap(net.name, net.module, world, parallel, mesh)

    def train_only(self, names: Iterable[str], second_order: bool = False) -> None:
        """Let gradients reach these nets and no others; `second_order` where gradients of gradients are taken."""
        for name, one in self.wraps.items():
            one.prepare(name in names, second_order)

    def rest(self) -> None:
        """After an update's last backward: hold no more than this process's share."""
        for one in self.wraps.values():
            one.rest()


class Player:
    """One update of the plan with what it needs to be taken.

    Args:
        update: the update.
        nets: all nets of the plan.
        facts: for the optimizer and the learning-rate schedule.
        world: this process.
        precision: `fp32`, `bf16` or `fp64`.
        clip: largest gradient norm, or None.
        programs: which losses are compiled; none, unless given.
    """

    def __init__(
        self,
        update: Update,
        nets: Nets,
        facts: Facts,
        world: World,
        precision: str,
        clip: float | None,
        programs: Programs | None = None,
    ) -> None:
        self.update, self.nets, self.world, self.precision, self.clip = update, nets, world, precision, clip
        self.programs = programs or Programs("off", precision, world)
        self.named = [(f"{n}.{p}", w) for n in update.trains for p, w in nets.modules[n].named_parameters() if w.requires_grad]
        self.weights = [w for _, w in self.named]
        self.buffers = [b for module in nets.modules.values() for b in module.buffers()]
        self.optimizer: torch.optim.Optimizer = update.optimizer.build(facts, {})(self.named)
        self.schedule = update.optimizer.lr_schedule.build(facts, {})(self.optimizer)
        self.fused = getattr(self.optimizer, "_step_supports_amp_scaling", False)
        self.generators = [world.device.index or 0] if world.device.type == "cuda" else []

    def step(self, step: int, micros: list[Batch], draws: list[Draw], guard: Guard, moments: Moments) -> None:
        """One optimizer step on this rank's micro-batches, unless `guard` holds it back."""
        before = [buffer.clone() for buffer in self.buffers]
        active = self.update.active(step)
        self.nets.train_only(self.update.trains, any(t.second_order and t.name in active for t in self.update.terms))
        self.optimizer.zero_grad(set_to_none=True)
        self.schedule.step_update(step)
        with arithmetic(self.update, active, self.precision, self.world.device):
            weighted = partial(self.weighted, step=step)
            self.programs.settle(self.update, self.nets.modules, micros[0], draws[0], active, weighted)
        seen: list[Terms] = []
        for i, (batch, draw) in enumerate(zip(micros, draws, strict=True)):
            with ExitStack() as stack:
                for name in self.update.trains:
                    stack.enter_context(self.nets.wraps[name].sharing(last=i + 1 == len(micros)))
                # Modules that use the global generator (dropout) draw as a function of the step, too.
                with torch.random.fork_rng(self.generators):
                    torch.manual_seed(draw.seed())
                    terms = self.autocast_losses(batch, draw, active)
                    total = self.weighted(terms, step) / len(micros)
                    # A loss that is not finite spoils the gradient on purpose: what is reduced over processes tells all.
                    (total * torch.where(torch.isfinite(total.detach()), 1.0, torch.nan)).backward()
            moments.add(self.update.name, terms)
            seen.append(terms)
        self.nets.rest()
        norm = total_norm([w.grad for w in self.weights if w.grad is not None])
        held = guard.judge(norm)
        self.advance(norm, held)
        self.follow(seen, held)
        keep(self.buffers, before, held)
        moments.add_scalar(f"{self.update.name}/grad_norm", norm)

    def autocast_losses(self, batch: Batch, draw: Draw, active: frozenset[str]) -> Terms:
        """The update's terms in the run's precision."""
        with arithmetic(self.update, active, self.precision, self.world.device):
            return self.losses(batch, draw, active)

    def losses(self, batch: Batch, draw: Draw, active: frozenset[str]) -> Terms:
        """The update's terms, computed inside the shells of the nets that it trains."""
        entered = [n for n, one in self.nets.wraps.items() if n in self.update.trains or not one.whole]
        others = {n: m for n, m in self.nets.modules.items() if n not in entered}
        shells = {n: self.nets.wraps[n].shell for n in entered}
        return Terms(*inside(shells, partial(self._loss, others=others, batch=batch, draw=draw, active=active)))

    def _loss(
        self, nets: Mapping[str, nn.Module], others: Mapping[str, nn.Module], batch: Batch, draw: Draw, active: frozenset[str]
    ) -> tuple[Any, ...]:
        """The terms as plain containers, in which a wrapper finds the tensors."""
        terms = self.programs.loss(self.update, active)({**others, **nets}, batch, draw, active)
        return dict(terms.values), terms.t, dict(terms.logs), {k: dict(v) for k, v in terms.running.items()}

    @torch.no_grad()
    def follow(self, seen: list[Terms], held: Tensor) -> None:
        """Feed the running modules with means over all micro-batches and processes."""
        names = [(module, key) for module, values in seen[0].running.items() for key in values]
        if not names:
            return
        sums = torch.stack([torch.stack([t.running[m][k].mean() for m, k in names]) for t in seen]).mean(0)
        means = dict(zip(names, self.world.sum_(sums) / self.world.size, strict=True))
        for module in seen[0].running:
            running = self.nets.running[module]
            before = [buffer.clone() for buffer in running.buffers()]
            running.follow({k: v for (m, k), v in means.items() if m == module})  # type: ignore[operator]
            keep(running.buffers(), before, held)

    def weighted(self, terms: Terms, step: int) -> Tensor:
        """The scalar that is differentiated: the weighted sum of the terms' means."""
        weights = {t.name: t.weight_at(step) for t in self.update.terms}
        return torch.stack([weights[name] * value.mean() for name, value in terms.values.items()]).sum()

    def advance(self, norm: Tensor, held: Tensor) -> None:
        """The optimizer step, unless it is held back."""
        if self.clip is not None:
            clip([w.grad for w in self.weights if w.grad is not None], self.clip, norm)
        if self.fused:
            # Fused optimizers skip the step on the device where this flag is set: no waiting to find out.
            self.optimizer.found_inf = held.float()  # type: ignore[attr-defined]
            self.optimizer.step()
        elif not bool(held):
            self.optimizer.step()


@torch.no_grad()
def keep(buffers: Iterable[Tensor], before: Iterable[Tensor], held: Tensor) -> None:
    """Put back what buffers were before a step that is held back, without waiting to know whether it is."""
    for buffer, old in zip(buffers, before, strict=True):
        buffer.copy_(torch.where(held, old, buffer))


def players(plan: Plan, nets: Nets, facts: Facts, world: World, training: Training, programs: Programs) -> dict[str, Player]:
    """The players of a plan, by update."""
    return {u.name: Player(u, nets, facts, world, training.precision, training.clip, programs) for u in plan.updates}
