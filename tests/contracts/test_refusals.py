"""The contracts catch what they are for: each check is shown a component that breaks it."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import gentoolkit
from gentoolkit.components.data import Data, DataSpec
from gentoolkit.components.denoisers import mlp as denoisers
from gentoolkit.components.discriminators import mlp as discriminators
from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.methods import ddpm
from gentoolkit.components.metrics import Metric
from gentoolkit.components.observers import Observer
from gentoolkit.components.optimizers import LRSchedule
from gentoolkit.components.parametrizations.posterior import X0Posterior
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.components.samplers.ancestral import Ancestral
from gentoolkit.components.samplers.state import State
from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import Facts, component, hookimpl, opt, plugins
from gentoolkit.testing import plugin_contract, tiny_facts
from gentoolkit.testing.plugin import SUITES
from gentoolkit.testing.suite import Case

WITH_CLASS = tiny_facts(latent=3, classes=4)


def network(slot, spoil, **facts):
    """The slot's perceptron with something done to it, `spoil(net) -> forward or None`."""
    base = {"denoiser": denoisers.MLP, "discriminator": discriminators.MLP}[slot]

    @component
    class Spoilt(base):
        """A perceptron that breaks one promise."""

        def build(self, facts, parts):
            net = base.build(self, facts, parts)
            forward = spoil(net)
            if forward is not None:
                net.forward = forward
            return net

    return Case(Spoilt(width=6, depth=1), tiny_facts(**facts) if facts else WITH_CLASS)


def around(change):
    """`spoil` that changes what the network puts out, or sees."""

    def spoil(net):
        forward = net.forward
        return lambda *args: change(forward, *args)

    return spoil


def idle_weight(net):
    net.idle = nn.Parameter(torch.zeros(3))


def stray_buffer(net):
    net.register_buffer("stray", torch.zeros(1, device="cpu"), persistent=False)


def scratch(net):
    net.register_buffer("scale", torch.full((1,), 2.0), persistent=False)
    forward = net.forward
    return lambda *args: forward(*args) * net.scale


def unseeded(net):
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        net.net[0].weight.copy_(torch.rand(net.net[0].weight.shape, generator=generator))


def without(name):
    from attrs import evolve

    def spoil(net):
        forward = net.forward

        def blind(*args):
            value = getattr(args[-1], name)
            return forward(*args[:-1], evolve(args[-1], **{name: torch.zeros_like(value)}))

        return blind

    return spoil


NETWORKS = {
    "shapes_and_dtypes_are_as_promised": network("denoiser", around(lambda f, *a: f(*a)[:, :1])),
    "float64_agrees_with_float32": network("denoiser", around(lambda f, *a: f(*a) * (2 if a[0].dtype == torch.float64 else 1))),
    "gradients_reach_every_parameter": network("denoiser", idle_weight),
    "everything_it_is_given_matters": network("denoiser", without("w")),
    "a_hidden_label_is_a_class_of_its_own": network("denoiser", without("y")),
    "samples_do_not_leak_into_each_other": network("denoiser", around(lambda f, *a: f(*a) + a[0].mean(0))),
    "inputs_are_left_alone": network("denoiser", around(lambda f, *a: f(a[0].mul_(2), *a[1:]))),
    "memory_layout_does_not_matter": network("denoiser", around(lambda f, *a: f(*a) + a[0].stride(0))),
    "weights_follow_from_the_seed": network("denoiser", unseeded),
    "its_state_dict_is_all_there_is": network("denoiser", lambda net: setattr(net, "state_dict", lambda: {})),
    "it_can_be_built_without_memory": network("denoiser", stray_buffer),
    "its_gradient_has_a_gradient": network(
        "discriminator", around(lambda f, *a: (a[0].detach() * a[0]).sum(1) + f(*a)), steps=4
    ),
}
MORE_NETWORKS = [
    ("everything_it_is_given_matters", network("denoiser", around(lambda f, x, level, c: f(x, level_0(level), c)))),
    ("it_can_be_built_without_memory", network("denoiser", scratch)),
    ("samples_do_not_leak_into_each_other", network("discriminator", around(lambda f, *a: f(*a) + f(*a).mean()), steps=4)),
]


def level_0(level):
    import attrs

    return attrs.evolve(level, time=torch.zeros_like(level.time))


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
                return State(made.t, x.float(), made.x_0_hat, made.evaluations + 1)

        return Walk()


@component
class BadMethod(ddpm.DDPM):
    """Uses the global generator, trains a net that it does not name, mixes samples, returns a mean."""

    def build(self, facts, parts):
        from attrs import evolve

        plan = ddpm.DDPM.build(self, facts, parts)
        (update,) = plan.updates
        other = nn.Linear(1, 1)
        nets = (*plan.nets, evolve(plan.nets[0], name="other", module=other, ema=False))

        def loss(nets, batch, rng, active):
            terms = update.loss(nets, batch, rng, active)
            other.requires_grad_(True)
            stray = other(torch.randn(1, 1, dtype=torch.float64)).sum()
            values = {k: -v.mean() + stray * batch.x_0.sum() for k, v in terms.values.items()}
            return evolve(terms, values=values)

        return evolve(plan, nets=nets, updates=(evolve(update, loss=loss),))


@component
class BadR1(R1):
    """Detached, random, and with a gain of its own."""

    def build(self, facts, parts):
        good = R1.build(self, facts, parts)
        return lambda discriminate, judged, rng: good(discriminate, judged, rng).detach() * torch.rand(()) * self.every


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

    samples: int = opt(10, "samples")

    def build(self, facts, parts):
        class Mean:
            def __init__(self):
                self.means, self.protocol = [], "mean"

            def prepare(self, real):
                pass

            def update(self, samples):
                self.means.append(float(samples.mul_(0.5).mean()))

            def merge(self, other):
                self.means = other.means

            def compute(self):
                return {"mean": self.means.pop()}

        return Mean()


@component
class Blind(BadMetric):
    """The same number whatever it sees."""

    def build(self, facts, parts):
        made = BadMetric.build(self, facts, parts)
        made.update = lambda samples: None
        made.compute = lambda: {"mean": 1.0}
        return made


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
    *(("method", check.__name__, BadMethod()) for check in SUITES["method"].checks),
    *(("regularizer", check.__name__, BadR1()) for check in SUITES["regularizer"].checks),
    *(("lr_schedule", check.__name__, StatefulRate()) for check in SUITES["lr_schedule"].checks),
    ("metric", "bad_samples_are_told_from_good_ones", Blind()),
    *(("metric", check.__name__, BadMetric()) for check in SUITES["metric"].checks[:3]),
    *(("data", check.__name__, BadData()) for check in SUITES["data"].checks),
    *(("observer", check.__name__, BadObserver()) for check in SUITES["observer"].checks),
]
BROKEN = Exception  # an assertion, or whatever the component runs into


def check_called(slot, name):
    return next(c for c in SUITES[slot].checks if c.__name__ == name)


@pytest.mark.parametrize(("name", "case"), [*NETWORKS.items(), *MORE_NETWORKS])
def test_networks(name, case):
    with pytest.raises(BROKEN):
        check_called("denoiser", name)(case)


def test_every_check_of_networks_is_shown_to_refuse():
    assert set(NETWORKS) == {c.__name__ for c in SUITES["denoiser"].checks}


@pytest.mark.parametrize(("slot", "name", "config"), LINE, ids=[f"{s} {n}" for s, n, _ in LINE])
def test_other_slots(slot, name, config):
    suite = SUITES[slot]
    label, facts = list(suite.cases(config))[0 if slot != "parametrization" else 2]
    state = torch.get_rng_state()
    with pytest.raises(BROKEN):
        check_called(slot, name)(Case(config, facts, label))
    torch.set_rng_state(state)


@component
class Good(Formula):
    """A straight line."""

    scale: float = opt(help="nothing")


@component
class Quiet(denoisers.MLP):
    """Takes nothing."""

    def check(self, facts):
        yield "use", "it never fits"


def toy(**more):
    module = types.ModuleType("toy_plugin")

    def gentoolkit_register(registry):
        registry.add("schedule", "straight", Good, "a straight line")
        registry.add("denoiser", "quiet", Quiet, "")
        registry.add("encoder", "gone", "toy_plugin.nowhere:Gone", "not there")

    module.gentoolkit_register = gentoolkit.hookimpl(gentoolkit_register)
    registry = plugins.Registry({"": plugins.Plugin("", plugins.CORE, "gentoolkit")})
    registry.add_module("toy", module, "toy 1.0")
    with plugins.use(registry):
        return plugin_contract("toy", **more)


def outcomes(contract):
    """Names of the tests that fail, with the components they fail for."""
    failed = set()
    for name, test in vars(contract).items():
        if name.startswith("test_") and name != "test_config_modules_import_no_torch":
            marks = getattr(test, "pytestmark", [])
            for case in [p.values[0] for p in marks[0].args[1]] if marks else [None]:
                try:
                    test(contract(), *[case][: len(marks)])
                except (Exception, pytest.fail.Exception):
                    failed.add((name.removeprefix("test_"), getattr(case, "id", "")))
    return failed


def test_what_a_plugin_forgot_is_told():
    failed = outcomes(toy(options={"schedule toy/strait": {}}))
    assert failed == {
        ("configs_it_can_be_loaded", "encoder toy/gone@1"),
        ("configs_it_says_what_it_is", "denoiser toy/quiet@1"),
        ("configs_a_recipe_can_name_it", "schedule toy/straight@1"),
        ("networks_something_fits_denoiser toy/quiet@1", ""),
        ("the_tables_of_this_contract_name_registered_components", ""),
    }


def test_options_facts_and_variants_are_used():
    table = {"schedule toy/straight": [{"scale": 1}, {"scale": 2.5}]}
    contract = toy(options=table, facts={"denoiser toy/quiet": [tiny_facts(latent=2), tiny_facts("image")]})
    assert {name for name, _ in outcomes(contract)} == {"configs_it_can_be_loaded", "configs_it_says_what_it_is"}
    cases = contract.test_schedules_torch_and_math_agree.pytestmark[0].args[1]
    assert [p.id for p in cases] == ["schedule toy/straight scale=1", "schedule toy/straight scale=2.5"]
    assert [p.values[0].config.scale for p in cases] == [1.0, 2.5]
    facts = contract.test_networks_shapes_and_dtypes_are_as_promised.pytestmark[0].args[1]
    assert [p.values[0].facts.shape for p in facts] == [(2,), (1, 8, 8)]


def test_a_plugin_that_is_not_there_is_told():
    registry = plugins.Registry({"": plugins.Plugin("", plugins.CORE, "gentoolkit")})
    with plugins.use(registry):
        assert outcomes(plugin_contract("nobody")) == {("the_plugin_registers_components", "")}


def test_a_config_module_that_imports_torch_is_told(tmp_path, monkeypatch):
    (tmp_path / "heavy_plugin.py").write_text("import torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    from gentoolkit.testing.configs import config_modules_import_no_torch

    with pytest.raises(AssertionError, match="importing heavy_plugin imports torch"):
        config_modules_import_no_torch([], "heavy_plugin")
    assert "heavy_plugin" not in sys.modules


def test_facts_are_those_of_a_recipe():
    """`tiny_facts` is what the check of a real recipe ends up with, as far as both speak of the same."""
    from gentoolkit.recipe import load

    loaded = load(
        {
            "data": "digits",
            "model": {"denoiser": "mlp", "latent": {"use": "gaussian", "dim": 3, "width": 5}, "condition": "class"},
            "method": {"use": "ddgan", "discriminator": "mlp"},
            "training": {"steps": 20, "batch_size": 8},
        }
    ).facts
    tiny = tiny_facts("image", latent=3, classes=10, data="digits", any_time=True)
    assert loaded == tiny
    assert isinstance(tiny, Facts)
