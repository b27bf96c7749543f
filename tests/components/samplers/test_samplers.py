"""Samplers against each other and against the exact oracle, which no training stands between."""

from __future__ import annotations

import itertools

import attrs
import pytest
import torch
from torch import nn

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.metrics.mixture import Mixture
from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import EDMPosterior, EpsPosterior, VPosterior, X0Posterior
from gentoolkit.components.samplers.ancestral import Ancestral
from gentoolkit.components.samplers.ddim import DDIM
from gentoolkit.components.samplers.paths import following, path
from gentoolkit.components.samplers.state import states
from gentoolkit.components.schedules.linear import Linear
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward, MixtureOracle
from gentoolkit.registry import Facts
from gentoolkit.testing import tiny_facts, tiny_parts

B = 16
PARAMETRIZATIONS = [X0Posterior(), EpsPosterior(), VPosterior()]


def draw(n=B, seed=0, start=0):
    return Draw((seed, "sample"), start, start + n, dtype=torch.float64)


def walk(config, model, facts, n=B, seed=0):
    with torch.no_grad():
        return list(states(config.build(facts, {}), model, facts.shape, draw(n, seed), Condition()))


@pytest.mark.parametrize(
    ("T", "steps", "expected"),
    [
        (4, None, (0, 1, 2, 3, 4)),
        (4, 4, (0, 1, 2, 3, 4)),
        (4, 2, (0, 2, 4)),
        (4, 1, (0, 4)),
        (10, 4, (0, 2, 5, 8, 10)),
        (1, None, (0, 1)),
    ],
)
def test_paths(T, steps, expected):
    assert path(T, steps) == expected


@pytest.mark.parametrize("T", [5, 8, 50, 1000])
def test_paths_go_down_to_0_in_strides_that_differ_by_one_at_most(T):
    for steps in {1, 2, 3, T // 2, T - 1, T}:
        strides = [t - s for s, t in itertools.pairwise(path(T, steps))]
        assert len(strides) == steps
        assert sum(strides) == T
        assert max(strides) - min(strides) <= 1
        assert min(strides) >= 1


def test_from_a_step_beside_the_path_the_next_one_is_the_nearest_below():
    assert [following((0, 2, 5, 8, 10), t) for t in range(1, 11)] == [0, 0, 2, 2, 2, 5, 5, 5, 8, 8]


@pytest.mark.parametrize("schedule", [VP(), Linear()])
@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS, ids=lambda p: p.target)
@pytest.mark.parametrize("steps", [None, 3, 1])
def test_ddim_at_eta_one_is_ancestral_sampling(schedule, parametrization, steps):
    """With the posterior's variance, skipped steps included."""
    facts = tiny_facts(steps=8, schedule=schedule, parametrization=parametrization)
    model = tiny_parts(facts, schedule=schedule, dtype=torch.float64)["model"]
    one, other = (walk(s, model, facts) for s in (Ancestral(steps=steps), DDIM(steps=steps, eta=1.0)))
    assert [s.t for s in one] == [s.t for s in other]
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a.x, b.x, rtol=1e-8, atol=1e-8)


def test_ddim_at_eta_zero_is_a_function_of_its_start():
    facts = tiny_facts()
    model = tiny_parts(facts, dtype=torch.float64)["model"]
    sampler = DDIM().build(facts, {})
    start = sampler.start(model, facts.shape, draw(), Condition())
    ends = []
    for seed in (0, 1):
        state = start
        while state.t > 0:
            state = sampler.step(model, state, draw(seed=seed), Condition())
        ends.append(state.x)
    assert torch.equal(*ends)
    ancestral = walk(Ancestral(), model, facts)[-1].x
    assert not torch.allclose(ancestral, ends[0])


@pytest.mark.parametrize("sampler", [Ancestral(), DDIM(), DDIM(eta=0.5), Ancestral(steps=2), DDIM(steps=2, eta=1.0)])
@pytest.mark.parametrize("variance", ["fixed-small", "fixed-large", "learned"])
def test_the_last_step_is_the_prediction_itself(sampler, variance):
    facts = tiny_facts(parametrization=X0Posterior(variance=variance))
    model = tiny_parts(facts, parametrization=X0Posterior(variance=variance), dtype=torch.float64)["model"]
    last = walk(sampler, model, facts)[-1]
    assert last.t == 0
    assert torch.allclose(last.x, last.x_0_hat, rtol=1e-12, atol=1e-12)


def test_a_learned_variance_moves_ancestral_steps_and_leaves_ddims_alone():
    """Both read x_0 off the first half of the output, also when they skip steps; the second half is ancestral's deviation."""
    made = X0Posterior(variance="learned")
    facts = tiny_facts(parametrization=made)
    model = tiny_parts(facts, parametrization=made, dtype=torch.float64)["model"]
    deviation = []
    for v in (-1.0, 1.0):
        with torch.no_grad():
            model.denoiser.net.out.weight[2:] = 0
            model.denoiser.net.out.bias[2:] = v
        fixed = X0Posterior(variance="fixed-small" if v < 0 else "fixed-large")
        half = fixed.build(facts, {"process": model.process})
        other = StepModel(Half(model.denoiser), None, half, model.process)
        for sampler in (Ancestral(), Ancestral(steps=2), DDIM(), DDIM(steps=2, eta=0.5)):
            one, two = walk(sampler, model, facts), walk(sampler, other, facts)
            for a, b in zip(one, two, strict=True):
                assert torch.allclose(a.x, b.x, rtol=1e-9, atol=1e-9)
        deviation.append((walk(Ancestral(), model, facts)[1].x, walk(DDIM(eta=1.0), model, facts)[1].x))
    assert not torch.allclose(deviation[0][0], deviation[1][0])
    assert torch.equal(deviation[0][1], deviation[1][1])


@pytest.mark.parametrize("parametrization", [*PARAMETRIZATIONS, EDMPosterior(), VPosterior(variance="learned")])
@pytest.mark.parametrize("sampler", [Ancestral, DDIM])
def test_clipping_is_the_walk_of_a_clipped_prediction(sampler, parametrization):
    """Step by step it is the step of a network that predicts the clipped x_0; most predictions here lie beyond [-1, 1]."""
    facts = tiny_facts("image", parametrization=parametrization)
    model = tiny_parts(facts, parametrization=parametrization, dtype=torch.float64)["model"]
    with torch.no_grad():
        model.denoiser.net.out.weight[:64] *= 30
    found, free = walk(sampler(clip=True), model, facts), walk(sampler(), model, facts)
    assert float(free[1].x_0_hat.abs().median()) > 1
    q, p = model.process, model.parametrization
    for before, after in itertools.pairwise(found):
        t = torch.full((B,), before.t)
        raw = model.raw(before.x, t, None, Condition())
        x_0 = p.x_0(raw, before.x, t).clamp(-1, 1)
        assert torch.allclose(after.x_0_hat, x_0, rtol=1e-9, atol=1e-9)
        mean = q.posterior(x_0, before.x, t).mean if sampler is Ancestral else q.ddim(x_0, before.x, t, t - 1, 0.0).mean
        noise = 0.0
        if sampler is Ancestral:
            std = p.distribution(raw, before.x, t, t - 1).variance.sqrt()
            noise = std * draw().scope("t", before.t).normal("posterior", facts.shape)
        assert torch.allclose(after.x, mean + noise, rtol=1e-9, atol=1e-9)
    assert float(found[-1].x.abs().max()) <= 1 + 1e-12


class Half(nn.Module):
    """The half of a network's output that means x."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x_t, level, condition):
        return self.network(x_t, level, condition)[:, :2]


def test_direct_denoising_walks_without_a_prediction():
    facts = tiny_facts(parametrization=Direct())
    model = tiny_parts(facts, dtype=torch.float64)["model"]
    found = walk(Ancestral(), model, facts)
    assert [s.t for s in found] == [4, 3, 2, 1, 0]
    assert all(s.x_0_hat is None for s in found)
    with pytest.raises(ValueError, match="predicts x_0"):
        walk(DDIM(), model, facts)


def test_each_step_draws_its_own_latent():
    facts = tiny_facts(latent=3)
    model, seen = tiny_parts(facts, dtype=torch.float64)["model"], []
    model.latent.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    walk(Ancestral(), model, facts)
    assert len(seen) == 4
    assert len(torch.unique(torch.cat(seen), dim=0)) == 4 * B


def test_inpainting_by_editing_states():
    """Known coordinates are put back, noised to the level of the state; the last state holds them exactly."""
    facts = tiny_facts()
    model = tiny_parts(facts, dtype=torch.float64)["model"]
    sampler, q = Ancestral().build(facts, {}), model.process
    known = torch.full((B, 2), 0.7, dtype=torch.float64)
    keep = torch.tensor([True, False])
    with torch.no_grad():
        state = sampler.start(model, (2,), draw(), Condition())
        while state.t > 0:
            state = sampler.step(model, state, draw(), Condition())
            t = torch.full((B,), state.t)
            at_level = q.marginal(known, t, draw().normal(f"known {state.t}", (2,)))
            state = attrs.evolve(state, x=torch.where(keep, at_level, state.x))
    assert torch.equal(state.x[:, 0], known[:, 0])
    assert not torch.equal(state.x[:, 1], known[:, 1])


class Oracle(nn.Module):
    """A 'network' that knows the truth: one draw of q(x_0 | x_t), with z its randomness."""

    def __init__(self, oracle, facts):
        super().__init__()
        self.oracle, self.T = oracle, facts.steps

    def forward(self, x_t, level, condition):
        log_r, m, variance = self.oracle.components(x_t, level.index + 1)
        u, noise = condition.w[:, :1], condition.w[:, 1:]
        i = (log_r.exp().cumsum(1) < torch.special.ndtr(u)).sum(1).clamp(max=24)
        return m[torch.arange(len(m)), i] + variance.sqrt()[:, None] * noise


class Mean(Oracle):
    """The best unimodal network: E[x_0 | x_t]."""

    def forward(self, x_t, level, condition):
        return self.oracle.x_0_mean(x_t, level.index + 1)


class Raw(nn.Module):
    """z as it is."""

    def draw(self, rng):
        return rng.normal("z", (3,))

    def forward(self, z):
        return z


def judged(network, T, latent=True, n=1500):
    data = Gaussians25()
    facts = Facts(steps=T).with_({**data.offer(Facts()), "data": "gaussians25"})
    curve = VP().build(facts, {})
    q = GaussianForward(curve.grid(T), curve)
    oracle = MixtureOracle.of(q, facts.mixture)
    model = StepModel(network(oracle, facts), Raw() if latent else None, X0Posterior().build(facts, {"process": q}), q)
    counts = Mixture().build(facts, {})
    counts.add(counts.see(walk(Ancestral(), model, facts, n)[-1].x))
    return counts.compute()


@pytest.mark.parametrize("T", [1, 2, 4])
def test_a_latent_that_knows_the_truth_samples_25_gaussians_in_few_steps(T):
    """x_s from the posterior at a draw of q(x_0 | x_t) is an exact draw of q(x_s | x_t): Eq. 5 of the paper."""
    values = judged(Oracle, T)
    assert values["high_quality"] > 0.99
    assert values["modes"] == 25
    assert values["kl"] < 0.03


def test_without_a_latent_the_best_network_fails_in_few_steps():
    values = judged(Mean, 4, latent=False)
    assert values["high_quality"] < 0.08
    assert judged(Mean, 1, latent=False)["modes"] == 1
    assert judged(Mean, 60, latent=False, n=600)["high_quality"] > 0.97


def test_what_does_not_fit_a_sampler_is_said():
    assert not list(Ancestral().fits(tiny_facts(latent=3, parametrization=Direct())))
    assert [c[0] for c in DDIM().fits(tiny_facts(latent=3, parametrization=Direct()))] == ["use", "use"]
    assert [c[0] for c in Ancestral(clip=True).fits(tiny_facts())] == ["clip"]
    assert [c[0] for c in Ancestral(clip=True).fits(tiny_facts("image", parametrization=Direct()))] == ["clip"]
    assert not list(Ancestral(clip=True).fits(tiny_facts("image")))
    assert [c[0] for c in Ancestral(steps=5).fits(tiny_facts())] == ["steps"]
    assert [c[0] for c in Ancestral(steps=3).fits(tiny_facts(parametrization=Direct()))] == ["steps"]
    assert not list(Ancestral(steps=4).fits(tiny_facts(parametrization=Direct(), schedule=Rectified())))
