"""What the network's output stands for, step by step against the formulas."""

from __future__ import annotations

import pytest
import torch

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import EpsPosterior, VPosterior, X0Posterior
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
    assert Condition()[1:3] == Condition()
    assert Condition().to("cpu") == Condition()
