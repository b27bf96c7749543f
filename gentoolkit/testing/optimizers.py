"""Optimizers and learning-rate schedules: the state is the optimizer's alone, the rate a function of the step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_facts

STEPS = 20


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """A short run."""
    yield "", tiny_facts(training_steps=STEPS)


def parameters() -> list[tuple[str, nn.Parameter]]:
    """A matrix and a vector."""
    shapes = {"matrix": (3, 4), "vector": (3,)}
    return [
        (name, nn.Parameter(torch.linspace(-1, 1, 12)[: torch.Size(s).numel()].view(s).clone())) for name, s in shapes.items()
    ]


def descended(case: Case, named: bool, steps: int = 5) -> list[torch.Tensor]:
    """The parameters after some steps on a bowl."""
    held = parameters()
    optimizer = case.build()(held if named else [p for _, p in held])
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        torch.stack([p.square().sum() for _, p in held]).sum().backward()
        optimizer.step()
    return [p.detach() for _, p in held]


def it_descends(case: Case) -> None:
    """On a bowl, with parameters or (name, parameter) pairs alike."""
    plain, named = descended(case, False), descended(case, True)
    for (_, start), a, b in zip(parameters(), plain, named, strict=True):
        assert torch.equal(a, b)
        assert bool(a.square().sum() < start.square().sum())


def its_state_belongs_to_parameters(case: Case) -> None:
    """Tensors by parameter, as checkpoints keep them; put into a fresh optimizer they go on where they were."""
    straight = descended(case, True, steps=6)
    held = parameters()
    optimizer = case.build()(held)
    for step in range(6):
        if step == 3:
            again = case.build()(held)
            for _, p in held:
                for entry, value in optimizer.state.get(p, {}).items():
                    again.state[p][entry] = torch.as_tensor(value).clone()
            optimizer = again
        optimizer.zero_grad(set_to_none=True)
        torch.stack([p.square().sum() for _, p in held]).sum().backward()
        optimizer.step()
    assert all(torch.equal(a, p) for a, (_, p) in zip(straight, held, strict=True))


def it_runs_at_its_rate(case: Case) -> None:
    """`lr` is what the schedule scales; twice the rate is another step."""
    optimizer = case.build()(parameters())
    assert {group["lr"] for group in optimizer.param_groups} == {case.config.lr}
    twice = case.with_options(lr=2 * case.config.lr)
    assert not torch.equal(descended(case, True)[0], descended(twice, True)[0])


def rates(case: Case, steps: list[int], lr: float = 0.01) -> list[float]:
    """The rate at some steps, asked for in that order of one scheduler."""
    optimizer = torch.optim.SGD([p for _, p in parameters()], lr=lr)
    schedule = case.build()(optimizer)
    found = []
    for step in steps:
        schedule.step_update(step)
        found.append(float(optimizer.param_groups[0]["lr"]))
    return found


def the_rate_is_a_function_of_the_step(case: Case) -> None:
    """Whatever came before: a resumed run has the rates of one that went straight on."""
    forwards = rates(case, list(range(STEPS)))
    assert forwards == rates(case, list(range(STEPS))[::-1])[::-1]
    assert forwards == [rates(case, [step])[0] for step in range(STEPS)]


def the_rate_is_positive_and_not_above_lr(case: Case) -> None:
    """Before the last step, where it may be 0; and it follows lr."""
    found = rates(case, list(range(STEPS)))
    assert all(0 < r <= 0.01 * (1 + 1e-9) for r in found[:-1])
    assert 0 <= found[-1] <= 0.01
    assert max(rates(case, list(range(STEPS)), lr=0.02)) > max(found)


def a_constant_rate_does_not_know_the_end(case: Case) -> None:
    """`constant = True` lets a finished run be prolonged: the rates of a longer run must begin as those of a shorter."""
    longer = Case(case.config, tiny_facts(training_steps=5 * STEPS))
    asked = list(range(STEPS))
    assert case.config.constant == (rates(case, asked) == rates(longer, asked))


OPTIMIZERS = Suite("optimizers", cases, (it_descends, its_state_belongs_to_parameters, it_runs_at_its_rate))
LR_SCHEDULES = Suite(
    "lr_schedules",
    cases,
    (the_rate_is_a_function_of_the_step, the_rate_is_positive_and_not_above_lr, a_constant_rate_does_not_know_the_end),
)
