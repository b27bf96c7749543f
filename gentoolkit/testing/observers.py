"""Observers: they look at a run and never change it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pluggy
import torch

from gentoolkit.engine.log.watchers import RunView
from gentoolkit.engine.samples.results import Result
from gentoolkit.recipe import load
from gentoolkit.registry import Facts
from gentoolkit.registry.hooks import Watching

from .suite import Case, Suite
from .tiny import tiny_draw, tiny_facts

STEPS = 20
RECIPE = {
    "data": "gaussians25",
    "model": {"denoiser": {"use": "mlp", "width": 8}},
    "method": "ddpm",
    "training": {"steps": STEPS, "batch_size": 8},
    "observers": {},
}


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """A run on points and one on images."""
    yield "points", tiny_facts(training_steps=STEPS)
    yield "image", tiny_facts("image", training_steps=STEPS)


def manager(case: Case) -> pluggy.PluginManager:
    """The observer under the hooks of a run."""
    made = pluggy.PluginManager("gentoolkit")
    made.add_hookspecs(Watching)
    made.register(case.build())
    return made


def its_hooks_are_hooks_of_a_run(case: Case) -> None:
    """Every method marked with `hookimpl` is one that a run calls, and there is one."""
    made = manager(case)
    made.check_pending()
    callers = [c for plugin in made.get_plugins() for c in made.get_hookcallers(plugin) or ()]
    assert callers, "no method is marked with @gentoolkit.hookimpl, so it never hears of anything"


def a_run_goes_by(case: Case) -> None:
    """All hooks, in the order of a run: nothing fails, nothing it was shown has changed, and how many samples it wants is a
    function of the step alone."""
    hook = manager(case).hook
    samples = tiny_draw(case.facts, 5, "samples", case.facts.shape, torch.float32).tanh()
    before, random = samples.clone(), torch.get_rng_state()
    with tempfile.TemporaryDirectory() as folder:
        run = RunView(Path(folder), "tiny", load(RECIPE).recipe, case.facts)
        hook.run_started(run=run, step=0)
        for step in (1, STEPS // 2, STEPS):
            logs: dict[str, Any] = {
                "step": step,
                "denoiser/simple": 0.5,
                "loss_per_t": {"denoiser/simple": [0.5, None, 1.0, 2.0]},
            }
            kept = {**logs, "loss_per_t": {k: list(v) for k, v in logs["loss_per_t"].items()}}
            hook.step_ended(run=run, step=step, logs=logs)
            assert logs == kept
            wanted = hook.wants(step=step)
            assert wanted == hook.wants(step=step)
            assert all(isinstance(n, int) and n >= 0 for n in wanted)
            hook.sampled(run=run, step=step, samples=samples)
            hook.evaluated(run=run, step=step, results=[Result("mixture", {"kl": 0.5}, "mixture/9", step, "ema", 0)])
            hook.checkpoint_saved(run=run, step=step, folder=folder)
        hook.run_ended(run=run, step=STEPS)
        hook.run_failed(run=run, step=STEPS, error=RuntimeError("nothing"))
    assert torch.equal(samples, before)
    assert torch.equal(random, torch.get_rng_state())


OBSERVERS = Suite("observers", cases, (its_hooks_are_hooks_of_a_run, a_run_goes_by))
