"""The bound of a conditional VAE denoising step."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.encoders.mlp import MLP
from gentoolkit.components.methods.cvae import CVAE
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward
from gentoolkit.testing import tiny_batch, tiny_facts, tiny_parts

B, STD = 24, 0.1
FACTS = tiny_facts(latent=3)


def draw():
    return Draw((0, "train"), 0, B, dtype=torch.float64)


def setting(**options):
    config = CVAE(decoder_std=STD, encoder=MLP(width=8, depth=1), **options)
    parts = tiny_parts(FACTS, dtype=torch.float64)
    encoder = config.encoder.build(FACTS, {}).double()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in encoder.parameters():
            p.copy_(0.4 * torch.randn(p.shape, generator=noise, dtype=p.dtype))
    parts["encoder"] = encoder
    return config.build(FACTS, parts), parts["model"], encoder


@pytest.mark.parametrize("observe", ["x_prev", "x_0"])
def test_both_terms_by_hand(observe):
    plan, model, encoder = setting(observe=observe)
    batch = tiny_batch(FACTS, B, torch.float64)
    (update,) = plan.updates
    terms = update.loss({n.name: n.module for n in plan.nets}, batch, draw(), update.active(0))
    rng, q = draw(), model.process
    t = rng.integers("t", 1, 4)
    x_prev, x_t = q.pair(batch.x_0, t, rng)
    r = encoder(x_prev if observe == "x_prev" else batch.x_0, x_t, q.level(t, torch.float64), batch.condition)
    kl = torch.distributions.kl_divergence(Normal(r.mean, r.variance.sqrt()), Normal(0.0, torch.ones_like(r.mean))).sum(1)
    assert torch.allclose(terms.values["kl"], kl / 2, rtol=1e-9)
    z = r.mean + r.variance.sqrt() * rng.normal("z", (3,))
    x_0_hat = model.x_0_hat(x_t, t, z, batch.condition)
    if observe == "x_0":
        lost = q.snr(t - 1, STD) - q.snr(t)
        rec = lost * ((batch.x_0 - x_0_hat) ** 2).sum(1) / 2
    else:
        p = q.posterior(x_0_hat, x_t, t)
        rec = -Normal(p.mean, (p.variance + STD**2 * (t == 1).double()[:, None]).sqrt()).log_prob(x_prev).sum(1)
    assert torch.allclose(terms.values["rec"], rec / 2, rtol=1e-7)
    assert torch.equal(terms.t, t)
    assert bool((t == 1).any())
    assert bool((t > 1).any())


def test_the_prior_is_the_latents_own():
    """At initialisation r is the prior, so the KL is 0 and z reaches the denoiser as a draw of it."""
    config = CVAE(decoder_std=STD, encoder=MLP(width=8, depth=1))
    parts = tiny_parts(FACTS, dtype=torch.float64)
    parts["encoder"] = config.encoder.build(FACTS, {}).double()
    plan = config.build(FACTS, parts)
    seen = []
    parts["model"].latent.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    update = plan.updates[0]
    terms = update.loss({n.name: n.module for n in plan.nets}, tiny_batch(FACTS, B, torch.float64), draw(), update.active(0))
    assert torch.equal(terms.values["kl"], torch.zeros(B, dtype=torch.float64))
    assert torch.equal(seen[0], draw().normal("z", (3,)))


def test_the_plan_trains_both_nets_in_one_step():
    plan, model, encoder = setting(kl_weight=0.5)
    (update,) = plan.updates
    assert update.trains == ("denoiser", "encoder")
    assert [t.name for t in update.terms] == ["rec", "kl"]
    assert [(n.name, n.ema) for n in plan.nets] == [("denoiser", True), ("encoder", False)]
    assert plan.nets[0].module is model
    assert plan.nets[1].module is encoder
    assert update.terms[1].weight_at(0) == update.terms[1].weight_at(10_000) == 0.5


def test_the_kl_warms_up():
    plan, *_ = setting(kl_weight=2.0, kl_warmup=4)
    assert [plan.updates[0].terms[1].weight_at(s) for s in (0, 1, 2, 4, 5, 1000)] == [0, 0.5, 1, 2, 2, 2]


def terms_of(**options):
    plan, model, _ = setting(**options)
    (update,) = plan.updates
    nets = {n.name: n.module for n in plan.nets}
    return update.loss(nets, tiny_batch(FACTS, B, torch.float64), draw(), update.active(0)), model


def test_the_kl_has_a_factor_for_each_step():
    plain, _ = terms_of()
    weighed, _ = terms_of(kl_weights=(0.0, 1.0, 0.25, 3.0))
    factor = torch.tensor([0.0, 1.0, 0.25, 3.0], dtype=torch.float64)[plain.t - 1]
    assert torch.allclose(weighed.values["kl"], factor * plain.values["kl"], rtol=1e-12)
    assert torch.equal(weighed.values["rec"], plain.values["rec"])
    assert torch.equal(weighed.logs["z_nats"], plain.logs["z_nats"])
    assert torch.allclose(plain.logs["z_nats"], 2 * plain.values["kl"], rtol=1e-12)
    (complaint,) = CVAE(decoder_std=STD, encoder=MLP(), kl_weights=(1.0,)).check(FACTS)
    assert complaint == ("kl_weights", "it has 1 factor for 4 steps", "4 numbers, for t = 1 to 4")


def test_free_bits_cost_nothing_and_pull_at_nothing():
    """Per sample: the KL above them is as it was, below them it is a constant."""
    plain, _ = terms_of()
    bits = float(plain.logs["z_nats"].median()) / math.log(2)
    free, _ = terms_of(free_bits=bits)
    floor = bits * math.log(2) / 2
    assert torch.allclose(free.values["kl"], plain.values["kl"].clamp(min=floor), rtol=1e-12)
    below = plain.values["kl"] < floor
    assert 0 < int(below.sum()) < B
    for rows, still in ((below, True), (~below, False)):
        plan, _, encoder = setting(free_bits=bits)
        (update,) = plan.updates
        nets = {n.name: n.module for n in plan.nets}
        terms = update.loss(nets, tiny_batch(FACTS, B, torch.float64), draw(), update.active(0))
        terms.values["kl"][rows].sum().backward()
        moved = [p.grad is not None and bool((p.grad != 0).any()) for p in encoder.parameters()]
        assert any(moved) != still


@pytest.mark.parametrize("observe", ["x_prev", "x_0"])
@pytest.mark.parametrize("reconstruction", ["simple", "min-snr"])
def test_the_reconstruction_is_weighed_by_its_factor(observe, reconstruction):
    """The weight of the squared error in the bound is taken out, and another put in."""
    plain, model = terms_of(observe=observe)
    weighed, _ = terms_of(observe=observe, reconstruction=reconstruction, gamma=0.6)
    q = model.process
    snr = q.snr(plain.t)
    assert bool((snr < 0.6).any())
    assert bool((snr > 0.6).any())
    factor = 2 / (q.snr(plain.t - 1, STD) - snr)
    if reconstruction == "min-snr":
        factor = factor * snr.clamp(max=0.6)
    assert torch.allclose(weighed.values["rec"], factor * plain.values["rec"], rtol=1e-9)
    assert torch.equal(weighed.values["kl"], plain.values["kl"])


def test_a_step_without_signal_is_said_to_have_no_weight():
    facts = tiny_facts(latent=3, schedule=Rectified())
    made = CVAE(decoder_std=STD, encoder=MLP(), reconstruction="min-snr")
    assert [n[0] for n in made.note(facts)] == ["reconstruction"]
    assert not list(made.note(FACTS))
    assert not list(CVAE(decoder_std=STD, encoder=MLP(), reconstruction="simple").note(facts))


def test_the_deep_report_is_the_latent_budget():
    grid = {"process": GaussianForward((curve := VP().build(FACTS, {})).grid(4), curve)}
    _, *images = CVAE(decoder_std=STD).deep_report(FACTS, grid)
    assert [line.split("= ")[-1] for line in images] == ["50", "0.507", "0.0412", "0.00171"]
    points = tiny_facts(latent=3, kind="points", mixture=Gaussians25().spec().mixture)
    _, _, second, *_ = CVAE(decoder_std=STD).deep_report(points, grid)
    assert second == "t = 2    ½ (SNR_{t-1} - SNR_t) = 0.507, at most 0.934 nats, (SNR_{t-1} - SNR_t) λ_max = 0.984"
    assert list(CVAE(decoder_std=STD).deep_report(tiny_facts(latent=None), grid)) == []


def test_the_deep_report_of_many_steps_is_short():
    curve = VP().build(FACTS, {})
    _, *lines = CVAE(decoder_std=STD).deep_report(
        tiny_facts(latent=3, steps=500), {"process": GaussianForward(curve.grid(500), curve)}
    )
    shown = [int(line.split()[2]) for line in lines]
    assert len(shown) <= 20
    assert shown[:2] == [1, 2]
    assert shown[-1] == 500
