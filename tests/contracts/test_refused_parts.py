"""The contracts of the other slots catch what they are for: each check is shown a component that breaks it."""

from __future__ import annotations

import math
import types

import numpy as np
import pluggy
import pytest
import torch
from torch import nn

from gentoolkit.components.data import Data, DataSpec
from gentoolkit.components.features import Features
from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.methods import ddpm
from gentoolkit.components.metrics import Metric
from gentoolkit.components.observers import Observer
from gentoolkit.components.optimizers import LRSchedule
from gentoolkit.components.optimizers.adam import Adam
from gentoolkit.components.parametrizations.posterior import X0Posterior
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.components.samplers.ancestral import Ancestral
from gentoolkit.components.samplers.state import State
from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import component, hookimpl, opt
from gentoolkit.testing.plugin import SUITES
from gentoolkit.testing.suite import Case


class Formula(Schedule):
    def alpha_sigma(self, time, m):
        return 1 - time, time


@component
class TwoFormulas(Formula):
    """torch and math differ."""

    def alpha_sigma(self, time, m):
        return (1 - time, time) if m is math else (1 - time, time * 1.001)


@component
class Flat(Formula):
    """Noise that stops growing half-way."""

    def alpha_sigma(self, time, m):
        return (1 - min(time, 0.5), min(time, 0.5)) if m is math else (1 - time.clamp(max=0.5), time.clamp(max=0.5))


@component
class Unsaid(Flat):
    """Complains of nothing."""

    def fits(self, facts):
        return ()


@component
class WrongEnd(Formula):
    """Offers another alpha_T than its grid has."""

    def offer(self, facts):
        return {"alpha_T": 0.5}


@component
class WrongPrior(Formula):
    """Starts too far out."""

    def prior_std(self):
        return 2.0


@component
class NoisyEnd(X0Posterior):
    """Adds noise at s = 0, and none of its own distribution."""

    def build(self, facts, parts):
        made = X0Posterior.build(self, facts, parts)
        made.step = lambda raw, x_t, t, s, rng: raw.detach() + rng.normal("more", tuple(raw.shape[1:]))
        return made


@component
class WrongInverse(X0Posterior):
    """x_0 is not what target says, and offers no density that it has."""

    density = False

    def build(self, facts, parts):
        made = X0Posterior.build(self, facts, parts)
        made.x_0 = lambda raw, x_t, t: raw * 1.01
        made.inputs = lambda x_t, t: (x_t.mul_(2), made.process.level(t, x_t.dtype))
        return made


@component
class BadLatent(GaussianLatent):
    """A density of another width, draws from the global generator, a mapping that nothing reaches."""

    def sizes(self, facts):
        return self.dim + 1, self.width

    def build(self, facts, parts):
        made = GaussianLatent.build(self, facts, parts)
        made.draw = lambda rng: torch.randn(len(rng), made.dim, dtype=rng.dtype)
        made.log_prior = lambda z: -0.25 * z.square().sum(-1)
        forward = made.forward
        made.forward = lambda z: forward(z).detach() + 0 * made.mapping[1].weight.sum() + z.sum() * 0
        made.load_state_dict = lambda *a, **k: None
        return made


@component
class BadSampler(Ancestral):
    """Draws from the global generator, edits the state it is given, miscounts, ends with noise and early."""

    def build(self, facts, parts):
        good = Ancestral.build(self, facts, parts)

        class Walk:
            def start(self, *args):
                return good.start(*args)

            def step(self, model, state, rng, condition):
                state.x.add_(1)
                made = good.step(model, state, rng, condition)
                x = made.x + torch.randn_like(made.x)
                return State(made.t, x if made.t else x.float(), made.x_0_hat, made.evaluations + 1)

        return Walk()


@component
class BadMethod(ddpm.DDPM):
    """Uses the global generator, trains a net that it does not name, mixes samples, returns a mean."""

    def build(self, facts, parts):
        from dataclasses import replace

        from attrs import evolve

        plan = ddpm.DDPM.build(self, facts, parts)
        (update,) = plan.updates
        other = nn.Linear(1, 1)
        nets = (*plan.nets, evolve(plan.nets[0], name="other", module=other, ema=False))

        def loss(nets, batch, rng, active):
            terms = update.loss(nets, batch, rng, active).settled()
            other.requires_grad_(True)
            stray = other(torch.randn(1, 1, dtype=torch.float64)).sum()
            values = {k: -v.mean() + stray * batch.x_0.sum() for k, v in terms.values.items()}
            return replace(terms, values=values)

        return evolve(plan, nets=nets, updates=(evolve(update, loss=loss),))


@component
class Uphill(Adam):
    """Goes up."""

    def build(self, facts, parts):
        return lambda weights: torch.optim.SGD(weights, lr=0.1, maximize=True)


@component
class BadR1(R1):
    """Detached, random, and with a gain of its own; its strength is nowhere known, and it remembers behind its buffers."""

    def weight(self, facts):
        return math.nan

    def build(self, facts, parts):
        good = R1.build(self, facts, parts)

        class Term(nn.Module):
            def forward(self, discriminate, judged, rng):
                return good(discriminate, judged, rng).detach() * torch.rand(()) * every

            def statistics(self, judged):
                return {"real": judged.real_logits}

            def follow(self, means):
                self.seen = means

        every = self.every
        return Term()


@component
class StatefulRate(LRSchedule):
    """Counts its calls."""

    constant = True

    def build(self, facts, parts):
        def make(optimizer):
            calls = []

            def step_update(step):
                calls.append(step)
                optimizer.param_groups[0]["lr"] = 0.1 * len(calls) / facts.training_steps

            return types.SimpleNamespace(step_update=step_update)

        return make


@component
class BadData(Data):
    """Items of another shape than promised, without a stable fingerprint."""

    def spec(self):
        return DataSpec(kind="points", shape=(2,), labels=3, mixture={"means": [[0, 0]], "std": 0.1, "weights": [0.5]})

    def build(self, facts, parts):
        class Points:
            def __len__(self):
                return 9

            def __getitem__(self, i):
                return {"x_0": torch.full((3,), float(i)), "y": 7}

            def items(self, indices):
                return {"x_0": torch.zeros(len(indices), 3), "y": np.zeros(len(indices), np.int64)}

            def item(self, i, rng):
                return {"x_0": torch.randn(3), "y": 7}

            def labels(self):
                return np.zeros(9, np.int64)

            def fingerprint(self):
                return f"{np.random.default_rng().integers(2**60):064x}"

        return Points()


@component
class BadMetric(Metric):
    """A mean of means, that changes what it looks at and names no number of samples."""

    better = {"median": "higher"}
    samples: int = opt(10, "samples")

    def build(self, facts, parts):
        class Mean:
            def __init__(self):
                self.means, self.protocol = [], "mean"

            def prepare(self, real):
                pass

            def see(self, samples):
                self.means.append(float(samples.mul_(0.5).mean()))

            def add(self, seen):
                pass

            def compute(self):
                return {"mean": self.means[-1]}

        return Mean()


@component
class Blind(BadMetric):
    """The same number whatever it sees."""

    def build(self, facts, parts):
        made = BadMetric.build(self, facts, parts)
        made.see = lambda samples: {}
        made.compute = lambda: {"mean": 1.0}
        return made


@component
class BadFeatures(Features):
    """Random rows of float64, that change what they look at."""

    def build(self, facts, parts):
        class Look:
            key = " random\n"

            def __call__(self, samples):
                samples += 1
                return {"features": np.random.default_rng().normal(size=(len(samples), 2)), "logits": None}

        return Look()


@component
class BadObserver(Observer):
    """A hook that no run has; changes samples."""

    def build(self, facts, parts):
        class Watcher:
            @hookimpl
            def step_endet(self, run, step):
                pass

            @hookimpl
            def sampled(self, run, step, samples):
                samples.zero_()

        return Watcher()


OTHERWISE = {  # refused by what the component runs into
    "grids_are_made_where_nobody_complains": ValueError,
    "a_step_is_differentiable": RuntimeError,
    "a_sample_has_its_loss_on_every_device": RuntimeError,
    "the_discriminator_learns_from_it": RuntimeError,
    "its_hooks_are_hooks_of_a_run": pluggy.PluginValidationError,
}
LINE = [
    ("schedule", "torch_and_math_agree", TwoFormulas()),
    ("schedule", "signal_to_noise_falls_strictly", Flat()),
    ("schedule", "grids_are_made_where_nobody_complains", Unsaid()),
    ("schedule", "it_offers_the_end_of_its_grid", WrongEnd()),
    ("schedule", "the_prior_is_what_data_turns_into", WrongPrior()),
    ("parametrization", "what_it_offers_is_what_it_builds", WrongInverse()),
    ("parametrization", "inputs_keep_shape_and_name_the_level", WrongInverse()),
    ("parametrization", "a_perfect_output_gives_back_x_0", WrongInverse()),
    ("parametrization", "the_last_step_is_noiseless", NoisyEnd()),
    ("parametrization", "a_step_is_differentiable", NoisyEnd()),
    ("parametrization", "a_step_is_a_draw_of_its_distribution", NoisyEnd()),
    *(("latent", check.__name__, BadLatent(dim=3, width=4)) for check in SUITES["latent"].checks),
    *(("sampler", check.__name__, BadSampler()) for check in SUITES["sampler"].checks[:5]),
    *(("method", check.__name__, BadMethod()) for check in SUITES["method"].checks if "step" not in check.__name__),
    ("method", "an_update_is_a_step_of_its_own_nets", ddpm.DDPM(optimizers={"denoiser": Uphill()})),
    *(("regularizer", check.__name__, BadR1()) for check in SUITES["regularizer"].checks),
    *(("lr_schedule", check.__name__, StatefulRate()) for check in SUITES["lr_schedule"].checks),
    ("metric", "bad_samples_are_told_from_good_ones", Blind()),
    *(("metric", check.__name__, BadMetric()) for check in SUITES["metric"].checks if check.__name__[:3] != "bad"),
    *(("features", check.__name__, BadFeatures()) for check in SUITES["features"].checks),
    *(("data", check.__name__, BadData()) for check in SUITES["data"].checks),
    *(("observer", check.__name__, BadObserver()) for check in SUITES["observer"].checks),
]


def check_called(slot, name):
    return next(c for c in SUITES[slot].checks if c.__name__ == name)


@pytest.mark.parametrize(("slot", "name", "config"), LINE, ids=[f"{s} {n}" for s, n, _ in LINE])
def test_other_slots(slot, name, config):
    suite = SUITES[slot]
    label, facts = list(suite.cases(config))[0 if slot != "parametrization" else 2]
    state = torch.get_rng_state()
    with pytest.raises(OTHERWISE.get(name, AssertionError)):
        check_called(slot, name)(Case(config, facts, label))
    torch.set_rng_state(state)
