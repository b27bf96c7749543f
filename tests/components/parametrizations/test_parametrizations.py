"""What the network's output stands for, step by step against the formulas."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import EDMPosterior, EpsPosterior, VPosterior, X0Posterior
from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.edm import EDM
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.sigmoid import Sigmoid
from gentoolkit.components.schedules.vp import VP
from gentoolkit.components.schedules.zero_terminal_snr import ZeroTerminalSNR
from gentoolkit.diffusion import Draw, GaussianForward, per_sample
from gentoolkit.registry import Facts
from gentoolkit.testing import tiny_batch, tiny_facts, tiny_parts

T = torch.tensor([1, 2, 3, 4])


def built(config, schedule=None):
    curve = (schedule or VP()).build(Facts(), {})
    return config.build(Facts(), {"process": GaussianForward(curve.grid(4), curve)})


def numbers(seed):
    return torch.randn(4, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_three_ways_to_say_x_0_make_one_step():
    """x_0, eps and v that mean the same give the same distribution of x_s; Ho et al.'s Eq. 11 among them."""
    x_0, eps = numbers(0), numbers(1)
    means = []
    for config in (X0Posterior(), EpsPosterior(), VPosterior()):
        p = built(config)
        x_t = p.process.marginal(x_0, T, eps)
        q = p.distribution(p.target(x_0, eps, None, T), x_t, T, T - 1)
        means.append(q.mean)
        assert torch.allclose(q.variance, per_sample(p.process.posterior_coefficients(T, T - 1)[2], x_t))
    assert torch.allclose(means[0], means[1], rtol=1e-9, atol=1e-9)
    assert torch.allclose(means[0], means[2], rtol=1e-9, atol=1e-9)
    grid = p.process.grid
    beta, bar = per_sample(grid.beta[T], x_0), per_sample(grid.alpha_bar[T], x_0)
    ddpm = (x_t - beta / (1 - bar).sqrt() * eps) / (1 - beta).sqrt()
    assert torch.allclose(means[0], ddpm, rtol=1e-9, atol=1e-9)


def test_fixed_large_has_the_transitions_variance_and_is_a_point_at_the_end():
    x_t, raw = numbers(0), numbers(1)
    small, large = (built(X0Posterior(variance=v)) for v in ("fixed-small", "fixed-large"))
    p, q = (m.distribution(raw, x_t, T, T - 1) for m in (small, large))
    assert torch.equal(p.mean, q.mean)
    beta = small.process.grid.beta[T]
    assert torch.allclose(q.variance[1:, 0], beta[1:])
    assert float(q.variance[0]) == float(p.variance[0]) == 0
    assert bool((q.variance[1:] > p.variance[1:]).all())
    skipped = large.distribution(raw, x_t, torch.full_like(T, 4), torch.full_like(T, 2))
    assert torch.allclose(skipped.variance[:, 0], 1 - small.process.grid.alpha_bar[4] / small.process.grid.alpha_bar[2])


@pytest.mark.parametrize("config", [X0Posterior, EpsPosterior, VPosterior, EDMPosterior])
def test_a_learned_variance_lies_between_the_fixed_ones(config):
    """v = -1 is fixed-small, v = 1 fixed-large, 0 their geometric mean; with skipped steps too. What means x comes first."""
    x_t, raw, v = numbers(0), numbers(1), numbers(2)
    small, large, learned = (built(config(variance=kind)) for kind in ("fixed-small", "fixed-large", "learned"))
    for t, s in ((T, T - 1), (torch.full_like(T, 4), torch.tensor([0, 1, 2, 3]))):
        low, high = (p.distribution(raw, x_t, t, s) for p in (small, large))

        def variance(v, t=t, s=s, mean=low.mean):
            found = learned.distribution(torch.cat([raw, v], 1), x_t, t, s)
            assert torch.equal(found.mean, mean)
            return found.variance

        ones = torch.ones_like(v)
        assert torch.allclose(variance(-ones), low.variance.expand_as(v), rtol=1e-12)
        assert torch.allclose(variance(ones), high.variance.expand_as(v), rtol=1e-12)
        assert torch.allclose(variance(0 * ones), (low.variance * high.variance).sqrt().expand_as(v), rtol=1e-12)
        later = s > 0
        log_low, log_high = low.variance[later].log(), high.variance[later].log()
        expected = ((1 + v[later]) / 2 * log_high + (1 - v[later]) / 2 * log_low).exp()
        assert torch.allclose(variance(v)[later], expected, rtol=1e-12)
    assert torch.equal(learned.x_0(torch.cat([raw, v], 1), x_t, T), small.x_0(raw, x_t, T))


def test_a_learned_variance_is_differentiable_where_it_ends():
    """At t = 1 the variance is 0 whatever the network says, and neither it nor the step has a gradient that is not finite."""
    p, x_t = built(EpsPosterior(variance="learned")), numbers(0)
    for scalar in (
        lambda raw: p.step(raw, x_t, T, T - 1, Draw((), 0, 4, dtype=torch.float64)).square().sum(),
        lambda raw: (p.distribution(raw, x_t, T, T - 1).variance + 0.1).log().sum(),
    ):
        raw = torch.cat([numbers(1), numbers(2)], 1).requires_grad_()
        scalar(raw).backward()
        assert bool(raw.grad.isfinite().all())
        assert bool((raw.grad[0, 2:] == 0).all())
        assert bool((raw.grad[1:, 2:] != 0).all())
    assert bool((p.distribution(raw, x_t, T, T - 1).variance[0] == 0).all())


def test_a_learned_variance_doubles_the_channels():
    for config in (X0Posterior, EpsPosterior, VPosterior, EDMPosterior):
        assert config(variance="learned").offer(Facts(shape=(3, 8, 8)))["raw_channels"] == 6
        assert config().offer(Facts(shape=(3, 8, 8)))["raw_channels"] == 3


def test_a_learned_step_is_a_draw_of_its_distribution():
    p, raw, x_t = built(VPosterior(variance="learned")), torch.cat([numbers(1), numbers(2)], 1), numbers(0)
    q = p.distribution(raw, x_t, T, T - 1)
    noise = Draw(("s",), 0, 4, dtype=torch.float64).normal("posterior", (2,))
    drawn = p.step(raw, x_t, T, T - 1, Draw(("s",), 0, 4, dtype=torch.float64))
    assert torch.allclose(drawn, q.mean + q.variance.sqrt() * noise, rtol=1e-12)


@pytest.mark.parametrize("d", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_edm_preconditions_as_karras_et_al_do(d, t):
    """Their Table 1, at every level: c_skip, c_out, c_in and c_noise, on their own schedule."""
    p = built(EDMPosterior(sigma_data=d), EDM(sigma_max=20.0))
    t = torch.full((4,), t)
    x_t, raw, sigma = numbers(0), numbers(1), float(p.process.grid.sigma[t[0]])
    c_skip, c_out = d**2 / (sigma**2 + d**2), sigma * d / (sigma**2 + d**2) ** 0.5
    x_in, level = p.inputs(x_t, t)
    assert torch.allclose(x_in, x_t / (sigma**2 + d**2) ** 0.5, rtol=1e-12)
    assert torch.allclose(level.c_noise, level.c_noise.new_tensor(sigma).log() / 4, rtol=1e-9)
    assert torch.allclose(p.x_0(raw, x_t, t), c_skip * x_t + c_out * raw, rtol=1e-12)
    x_0, eps = d * numbers(2), numbers(3)
    target = p.target(x_0, eps, None, t)
    assert torch.allclose(target, (x_0 - c_skip * (x_0 + sigma * eps)) / c_out, rtol=1e-7, atol=1e-7)


def test_edms_network_puts_out_unit_variance_and_is_v_where_variance_is_preserved():
    p, q = built(EDMPosterior(sigma_data=1.0)), built(VPosterior())
    x_0, eps = numbers(0), numbers(1)
    assert torch.allclose(p.target(x_0, eps, None, T), -q.target(x_0, eps, None, T), rtol=1e-12)
    n, d = 20_000, 0.3
    rectified, t = built(EDMPosterior(sigma_data=d), Rectified()), torch.arange(n) % 4 + 1
    x_0, eps = (torch.randn(n, 1, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in (0, 1))
    for seen in (
        rectified.target(d * x_0, eps, None, t),
        rectified.inputs(rectified.process.marginal(d * x_0, t, eps), t)[0],
    ):
        for step in (1, 2, 3, 4):
            assert float(seen[t == step].std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (VP(), lambda a, s: torch.ones_like(a)),
        (Geometric(), lambda a, s: (1 + s**2).rsqrt()),
        (Rectified(), lambda a, s: (a**2 + s**2).rsqrt()),
    ],
)
def test_networks_see_x_t_at_unit_variance(schedule, expected):
    p, x_t = built(X0Posterior(), schedule), numbers(0)
    x_in, level = p.inputs(x_t, T)
    assert torch.allclose(x_in, per_sample(expected(*p.process.alpha_sigma(T)), x_t) * x_t, rtol=1e-12)
    assert level.index.tolist() == [0, 1, 2, 3]


def test_direct_is_the_output_and_learns_from_pairs():
    p, raw, x_t, x_prev = built(Direct()), numbers(0), numbers(1), numbers(2)
    assert torch.equal(p.step(raw, x_t, T, T - 1, Draw((), 0, 4)), raw)
    assert torch.equal(p.target(numbers(3), numbers(4), x_prev, T), x_prev)
    assert not hasattr(p, "x_0")
    assert not hasattr(p, "distribution")
    with pytest.raises(ValueError, match="pairs"):
        p.target(numbers(3), numbers(4), None, T)


def test_eps_is_refused_where_the_last_x_holds_nothing_of_x_0():
    ends_clean = [Rectified(), Cosine(), Sigmoid(), ZeroTerminalSNR()]
    for schedule, refused in (*((s, True) for s in ends_clean), (VP(), False), (Geometric(), False), (EDM(), False)):
        facts = Facts().with_(schedule.offer(Facts()))
        assert bool(list(EpsPosterior().check(facts))) == refused
        assert not list(VPosterior().check(facts))
        assert not list(X0Posterior().check(facts))


def test_a_step_model_is_its_four_parts():
    facts = tiny_facts(latent=3, classes=4)
    parts = tiny_parts(facts, dtype=torch.float64)
    model, batch, t = parts["model"], tiny_batch(facts, 4, torch.float64), T
    z = model.draw_z(Draw(("z",), 0, 4, dtype=torch.float64))
    assert z.shape == (4, 3)
    x_in, level = parts["parametrization"].inputs(batch.x_0, t)
    by_hand = parts["denoiser"](x_in, level, Condition(y=batch.condition.y, w=parts["latent"](z)))
    raw = model.raw(batch.x_0, t, z, batch.condition)
    assert torch.equal(raw, by_hand)
    assert torch.equal(model.x_0_hat(batch.x_0, t, z, batch.condition), raw)
    p = model.distribution(batch.x_0, t, t - 1, z, batch.condition)
    step = model.step(batch.x_0, t, t - 1, Draw(("s",), 0, 4, dtype=torch.float64), batch.condition, z)
    assert torch.equal(step, p.rsample(Draw(("s",), 0, 4, dtype=torch.float64), "posterior"))
    names = {n.partition(".")[0] for n, _ in model.named_parameters()}
    assert names == {"denoiser", "latent"}
    assert isinstance(model, StepModel)


def test_a_step_draws_its_own_z():
    facts = tiny_facts(latent=3)
    model, batch = tiny_parts(facts)["model"], tiny_batch(facts, 4)
    rng = Draw(("s",), 0, 4)
    drawn = model.step(batch.x_0, T, T - 1, Draw(("s",), 0, 4), batch.condition)
    z = model.draw_z(rng)
    assert torch.equal(drawn, model.step(batch.x_0, T, T - 1, rng, batch.condition, z))
    assert tiny_parts(tiny_facts())["model"].draw_z(rng) is None


def test_conditions_can_be_cut():
    whole = Condition(y=torch.arange(5), w=torch.ones(5, 2), tensors={"mask": torch.arange(10).view(5, 2)})
    part = whole[1:3]
    assert part.y.tolist() == [1, 2]
    assert part.w.shape == (2, 2)
    assert part.tensors["mask"].tolist() == [[2, 3], [4, 5]]
    for nothing in (Condition()[1:3], Condition().to("cpu")):
        assert (nothing.y, nothing.w, nothing.tensors) == (None, None, {})
