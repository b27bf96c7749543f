"""Methods: a plan of updates whose losses are pure functions of nets, batch and draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.methods import Batch, Plan, Terms, Update
from gentoolkit.components.optimizers import Optimizer
from gentoolkit.components.parametrizations.posterior import X0Posterior
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_batch, tiny_facts, tiny_parts

B = 8


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Points and images, with and without latent, class and a learned variance, one step and several."""
    yield "points", tiny_facts()
    yield "points latent", tiny_facts(latent=3)
    yield "points latent class", tiny_facts(latent=3, classes=4)
    yield "image latent", tiny_facts("image", latent=3)
    yield "one step", tiny_facts(latent=3, steps=1)
    yield "image latent learned variance", tiny_facts("image", latent=3, parametrization=X0Posterior(variance="learned"))


def draw(update: str, start: int = 0, stop: int = B, seed: int = 0) -> Draw:
    """What the engine hands to an update."""
    return Draw((seed, "train", 0, update, 0), start, stop, dtype=torch.float64)


class Ready:
    """The plan of a case over nets in float64 whose weights have been stirred."""

    def __init__(self, case: Case) -> None:
        self.facts = case.facts
        self.parts = tiny_parts(case.facts, dtype=torch.float64)
        self.plan: Plan = case.build(self.parts)
        self.nets: dict[str, nn.Module] = {net.name: net.module.double() for net in self.plan.nets}
        for running in self.plan.running:
            running.module.double()
        noise = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for module in self.nets.values():
                for p in module.parameters():
                    p.add_(0.1 * torch.randn(p.shape, generator=noise, dtype=torch.float64))
        self.batch = tiny_batch(case.facts, B, torch.float64)

    def train_only(self, update: Update) -> None:
        """As the engine does: gradients for the nets that the update trains, and no others."""
        for name, module in self.nets.items():
            module.requires_grad_(name in update.trains)

    def terms(self, update: Update, start: int = 0, stop: int = B, seed: int = 0, step: int = 0) -> Terms:
        """The update's terms on some slots of the batch."""
        self.train_only(update)
        part = Batch(self.batch.x_0[start:stop], self.batch.condition[start:stop])
        return update.loss(self.nets, part, draw(update.name, start, stop, seed), update.active(step)).settled()


def total(update: Update, terms: Terms, step: int = 0) -> Tensor:
    """The scalar that is differentiated."""
    weights = {t.name: t.weight_at(step) for t in update.terms}
    return torch.stack([weights[n] * v.mean() for n, v in terms.values.items()]).sum()


def the_plan_is_sound(case: Case) -> None:
    """Names are unique; every net is trained by somebody, every update trains known nets with an optimizer of its own; the
    model that samples are drawn from is a net with an average."""
    ready = Ready(case)
    plan, nets = ready.plan, [n.name for n in ready.plan.nets]
    assert len(set(nets)) == len(nets)
    assert len({u.name for u in plan.updates}) == len(plan.updates) > 0
    assert {n for u in plan.updates for n in u.trains} == set(nets)
    assert [n.name for n in plan.nets if n.module is ready.parts["model"] and n.ema], "the step model has no average"
    for update in plan.updates:
        assert isinstance(update.optimizer, Optimizer)
        assert update.trains
        assert update.every >= 1
        assert update.repeat >= 1
        assert len({t.name for t in update.terms}) == len(update.terms) > 0
    assert plan.due(0), "no update runs in the first step"


def each_term_is_one_number_per_sample(case: Case) -> None:
    """Finite, `[B]`, under the names of the active terms; t `[B]` within 1..T; logs `[B]`."""
    ready = Ready(case)
    for update in ready.plan.updates:
        for step in (0, 1):
            terms = ready.terms(update, step=step)
            assert set(terms.values) == set(update.active(step))
            for name, value in {**terms.values, **terms.logs}.items():
                assert value.shape == (B,) and bool(value.isfinite().all()), f"{update.name}/{name}"
                assert value.dtype == torch.float64, f"{update.name}/{name} is not in the dtype of the data"
            if terms.t is not None:
                assert terms.t.shape == (B,)
                assert 1 <= int(terms.t.min()) <= int(terms.t.max()) <= case.facts.steps


def gradients_reach_what_is_trained_and_nothing_else(case: Case) -> None:
    """Every parameter of the trained nets, over all steps t; none of the others, and none of the data."""
    ready = Ready(case)
    for update in ready.plan.updates:
        for module in ready.nets.values():
            module.zero_grad(set_to_none=True)
        total(update, ready.terms(update)).backward()
        for name, module in ready.nets.items():
            for key, p in module.named_parameters():
                if name not in update.trains:
                    assert p.grad is None, f"update {update.name} leaves a gradient in {name}.{key}"
                    continue
                # A critic's own offset cancels in real - fake, so that a bias may have a gradient of zero.
                reached = p.grad is not None and (p.dim() < 2 or bool((p.grad != 0).any()))
                assert p.grad is not None and reached, f"update {update.name}: no gradient reaches {name}.{key}"
                assert bool(p.grad.isfinite().all())
        assert ready.batch.x_0.grad is None
        assert not ready.batch.x_0.requires_grad


def an_update_is_a_step_of_its_own_nets(case: Case) -> None:
    """With the optimizer that it ships, its nets change and no others, and the loss does where it was measured."""
    ready = Ready(case)
    for update in ready.plan.updates:
        before = {n: [p.detach().clone() for p in m.parameters()] for n, m in ready.nets.items()}
        loss = total(update, ready.terms(update))
        weights = [p for n in update.trains for p in ready.nets[n].parameters()]
        optimizer = update.optimizer.build(case.facts, {})(weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        for name, module in ready.nets.items():
            pairs = zip(before[name], module.parameters(), strict=True)
            moved = [not torch.equal(a, b) for a, b in pairs if a.dim() > 1 or name not in update.trains]
            assert all(moved) if name in update.trains else not any(moved), f"update {update.name} and net {name}"
        assert bool(total(update, ready.terms(update)) < loss), f"update {update.name} does not go down"


def a_loss_is_a_function_of_its_draw(case: Case) -> None:
    """The same under the same key, another under another; the batch and the global generator stay as they are."""
    ready = Ready(case)
    x_0, state = ready.batch.x_0.clone(), torch.get_rng_state()
    for update in ready.plan.updates:
        one, two, other = (ready.terms(update, seed=s) for s in (0, 0, 1))
        for name, value in one.values.items():
            assert torch.equal(value, two.values[name])
        assert any(not torch.equal(value, other.values[name]) for name, value in one.values.items())
    assert torch.equal(x_0, ready.batch.x_0)
    assert torch.equal(state, torch.get_rng_state()), "a loss draws from the global generator"


def a_sample_has_its_loss_on_every_device(case: Case) -> None:
    """Two halves of the batch on two devices give the terms of the whole: nothing depends on the number of processes."""
    ready = Ready(case)
    if any(getattr(c, "mixes_samples", False) for c in _parts(case.config)):
        return
    for update in ready.plan.updates:
        whole = ready.terms(update)
        halves = [ready.terms(update, 0, B // 2), ready.terms(update, B // 2, B)]
        found: list[tuple[str, Tensor, list[Tensor]]] = [(n, v, [h.values[n] for h in halves]) for n, v in whole.values.items()]
        found += [(n, v, [h.logs[n] for h in halves]) for n, v in whole.logs.items()]
        for name, value, parts in found:
            assert torch.allclose(value, torch.cat(parts), rtol=1e-9, atol=1e-9), f"{update.name}/{name}"


def _parts(config: Any) -> Iterator[Any]:
    for value in config.options().values():
        yield from value.values() if isinstance(value, Mapping) else (value,)


METHODS = Suite(
    "methods",
    cases,
    (
        the_plan_is_sound,
        each_term_is_one_number_per_sample,
        gradients_reach_what_is_trained_and_nothing_else,
        an_update_is_a_step_of_its_own_nets,
        a_loss_is_a_function_of_its_draw,
        a_sample_has_its_loss_on_every_device,
    ),
)
