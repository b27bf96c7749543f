"""Samplers: from noise to data over states that a caller may edit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import attrs
import torch
from torch import Tensor

from gentoolkit.components.model import StepModel
from gentoolkit.components.parametrizations.posterior import VPosterior, X0Posterior
from gentoolkit.components.samplers.state import State, onwards, states
from gentoolkit.components.schedules.edm import EDM
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_condition, tiny_facts, tiny_parts

B = 6
SCHEDULES = {"vp": VP(), "rectified": Rectified(), "edm": EDM()}
PARAMETRIZATIONS = {
    "x0": X0Posterior(),
    "x0 large": X0Posterior(variance="fixed-large"),
    "v": VPosterior(),
}


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Models with and without a latent, of points and images, on grids of one and several steps, some at any time."""
    for label, schedule, parametrization, given in (
        ("vp x0", "vp", "x0", {}),
        ("vp x0 large", "vp", "x0 large", {"kind": "image"}),
        ("vp x0 latent class", "vp", "x0", {"latent": 3, "classes": 4}),
        ("rectified v", "rectified", "v", {}),
        ("rectified v any time", "rectified", "v", {"any_time": True}),
        ("edm x0 any time", "edm", "x0", {"any_time": True, "steps": 5}),
        ("one step", "vp", "x0", {"steps": 1}),
        ("eight steps", "vp", "x0", {"steps": 8}),
    ):
        more = {"tiny/schedule": schedule, "tiny/parametrization": parametrization}
        made = {"schedule": SCHEDULES[schedule], "parametrization": PARAMETRIZATIONS[parametrization]}
        arguments: dict[str, Any] = {**given, **made, **more}
        yield label, tiny_facts(**arguments)


def model(case: Case) -> StepModel:
    """A small model in float64."""
    more = case.facts.more
    schedule = SCHEDULES[str(more.get("tiny/schedule", "vp"))]
    parametrization = PARAMETRIZATIONS.get(str(more.get("tiny/parametrization")))
    parts = tiny_parts(case.facts, schedule=schedule, parametrization=parametrization, dtype=torch.float64)
    made: StepModel = parts["model"].eval()
    return made


def rng(start: int = 0, stop: int = B, seed: int = 0) -> Draw:
    """Keyed noise for some samples."""
    return Draw((seed, "samplers"), start, stop, dtype=torch.float64)


@torch.no_grad()
def walk(case: Case, start: int = 0, stop: int = B, seed: int = 0, with_model: StepModel | None = None) -> list[State]:
    """All states of samples `start..stop - 1`."""
    condition = tiny_condition(case.facts, B, torch.float64)[start:stop]
    shape = case.facts.shape
    return list(states(case.build(), with_model or model(case), shape, rng(start, stop, seed), condition))


def it_goes_down_to_the_data(case: Case) -> None:
    """t falls strictly from T to 0; every state has the shape and dtype of the samples and is finite."""
    found = walk(case)
    t = [state.t for state in found]
    assert t[0] == case.facts.steps
    assert t[-1] == 0
    assert t == sorted(set(t), reverse=True)
    assert all(isinstance(step, int) for step in t), "a state stands on a step of the grid"
    for state in found:
        assert state.x.shape == (B, *case.facts.shape)
        assert state.x.dtype == torch.float64
        assert bool(state.x.isfinite().all())
        assert state.x_0_hat is None or state.x_0_hat.shape == state.x.shape


def evaluations_are_counted(case: Case) -> None:
    """`evaluations` is how often the network saw the batch."""
    calls = []
    counted = model(case)
    counted.denoiser.register_forward_hook(lambda *_: calls.append(1))
    found = walk(case, with_model=counted)
    assert found[0].evaluations == 0
    assert found[-1].evaluations == len(calls) > 0


def a_sample_is_a_function_of_seed_and_number(case: Case) -> None:
    """Sample i is the same whatever is drawn beside it, and another under another seed."""
    whole, part = walk(case)[-1].x, walk(case, 2, 5)[-1].x
    assert torch.allclose(whole[2:5], part, rtol=1e-9, atol=1e-9)
    assert torch.equal(whole, walk(case)[-1].x)
    assert not torch.allclose(whole, walk(case, seed=1)[-1].x)
    assert len(torch.unique(whole.flatten(1), dim=0)) == B, "two samples are the same"


@torch.no_grad()
def states_may_be_edited(case: Case) -> None:
    """A step is a function of the state it is given: put x elsewhere, and sampling goes on from there."""
    sampler, net, condition = case.build(), model(case), tiny_condition(case.facts, B, torch.float64)
    start = sampler.start(net, case.facts.shape, rng(), condition)
    before = start.x.clone()
    one, again = (sampler.step(net, start, rng(), condition) for _ in range(2))
    assert torch.equal(start.x, before) and torch.equal(one.x, again.x), "a step changed the state it was given"
    edited = sampler.step(net, attrs.evolve(start, x=before + 1), rng(), condition)
    assert bool(((edited.x - one.x).abs().flatten(1).amax(1) > 0).all())
    copied = sampler.step(net, attrs.evolve(start, x=before.clone()), rng(), condition)
    assert torch.equal(copied.x, one.x)


@torch.no_grad()
def it_goes_on_from_any_state(case: Case) -> None:
    """What a caller puts on any step of the grid goes down to the data, and what a sampler remembers is in its states."""
    sampler, net, condition = case.build(), model(case), tiny_condition(case.facts, B, torch.float64)
    x = walk(case)[0].x
    for t in range(1, case.facts.steps + 1):
        found = list(onwards(sampler, net, State(t, x), rng(), condition))
        assert found[-1].t == 0
        assert bool(found[-1].x.isfinite().all())
    for before, after in pairwise(walk(case)):
        assert torch.equal(case.build().step(net, before, rng(), condition).x, after.x)


@torch.no_grad()
def the_last_step_is_noiseless(case: Case) -> None:
    """Without a latent, the step to t = 0 is a function of x alone, whatever the variance."""
    if case.facts.latent is not None:
        return
    sampler, net, condition = case.build(), model(case), tiny_condition(case.facts, B, torch.float64)
    before_last = walk(case)[-2]
    ends: list[Tensor] = [sampler.step(net, before_last, rng(seed=s), condition).x for s in (0, 1)]
    assert torch.equal(*ends)


def fewer_steps_are_fewer_states(case: Case) -> None:
    """`steps` is the number of strides from T to 0."""
    if "steps" not in case.config.options() or case.facts.steps < 4:
        return
    for steps in (1, 3):
        found = walk(case.with_options(steps=steps))
        assert len(found) == steps + 1
        assert found[0].t == case.facts.steps
        assert found[-1].t == 0


SAMPLERS = Suite(
    "samplers",
    cases,
    (
        it_goes_down_to_the_data,
        evaluations_are_counted,
        a_sample_is_a_function_of_seed_and_number,
        states_may_be_edited,
        it_goes_on_from_any_state,
        the_last_step_is_noiseless,
        fewer_steps_are_fewer_states,
    ),
)
