"""DDPM's losses against their formulas, and the conditional VAE that is one of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from gentoolkit.components.methods.cvae import CVAE
from gentoolkit.components.methods.ddpm import DDPM
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import EDMPosterior, EpsPosterior, VPosterior, X0Posterior
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.vp import VP
from gentoolkit.components.schedules.zero_terminal_snr import ZeroTerminalSNR
from gentoolkit.diffusion import Draw, mean_per_sample, sum_per_sample
from gentoolkit.testing import tiny_batch, tiny_facts, tiny_parts

B, STD = 32, 0.1


def draw(seed=0, start=0, stop=B):
    return Draw((seed, "train"), start, stop, dtype=torch.float64)


class Given(Draw):
    """A draw whose `eps` has been decided."""

    def __init__(self, eps, seed=0):
        super().__init__((seed, "train"), 0, len(eps), dtype=torch.float64)
        self.eps = eps

    def normal(self, name, shape=()):
        return self.eps if name == "eps" else super().normal(name, shape)


class Setting:
    def __init__(self, method, kind="points", parametrization=None, schedule=None, encoder=None, **facts):
        made = {"parametrization": parametrization or X0Posterior(), "schedule": schedule or VP()}
        self.facts = tiny_facts(kind, **made, **facts)
        self.parts = tiny_parts(self.facts, **made, dtype=torch.float64)
        if encoder is not None:
            self.parts["encoder"] = encoder.build(self.facts, {}).double()
        self.plan = method.build(self.facts, self.parts)
        self.model, self.batch = self.parts["model"], tiny_batch(self.facts, B, torch.float64)

    def terms(self, rng=None, batch=None):
        (update,) = self.plan.updates
        nets = {net.name: net.module for net in self.plan.nets}
        return update.loss(nets, batch or self.batch, rng or draw(), update.active(0))

    def noised(self, seed=0):
        """(t, eps, x_t) of DDPM's draw."""
        rng = draw(seed)
        t, eps = rng.integers("t", 1, 4), rng.normal("eps", self.facts.shape)
        return t, eps, self.model.process.marginal(self.batch.x_0, t, eps)


@pytest.mark.parametrize("kind", ["points", "image"])
def test_simple_is_the_mean_squared_error_of_eps(kind):
    s = Setting(DDPM(), kind, EpsPosterior())
    t, eps, x_t = s.noised()
    raw = s.model.raw(x_t, t, None, s.batch.condition)
    terms = s.terms()
    assert torch.equal(terms.t, t)
    assert set(terms.values) == {"simple"}
    assert torch.allclose(terms.values["simple"], mean_per_sample((raw - eps) ** 2), rtol=1e-12)
    mse = torch.nn.functional.mse_loss(raw, eps)
    assert torch.allclose(terms.values["simple"].mean(), mse)


@pytest.mark.parametrize("parametrization", [X0Posterior(), VPosterior()])
def test_simple_is_the_squared_error_of_whatever_the_network_puts_out(parametrization):
    s = Setting(DDPM(), parametrization=parametrization)
    t, eps, x_t = s.noised()
    target = s.batch.x_0 if parametrization.target == "x_0" else s.model.process.v(s.batch.x_0, eps, t)
    expected = mean_per_sample((s.model.raw(x_t, t, None, s.batch.condition) - target) ** 2)
    assert torch.allclose(s.terms().values["simple"], expected, rtol=1e-12)


def test_direct_denoising_learns_x_prev():
    s = Setting(DDPM(), parametrization=Direct())
    rng = draw()
    t = rng.integers("t", 1, 4)
    x_prev, x_t = s.model.process.pair(s.batch.x_0, t, rng)
    expected = mean_per_sample((s.model.raw(x_t, t, None, s.batch.condition) - x_prev) ** 2)
    assert torch.allclose(s.terms().values["simple"], expected, rtol=1e-12)


@pytest.mark.parametrize("gamma", [0.01, 0.5, 5.0])
def test_min_snr_weighs_the_error_of_x_0(gamma):
    s = Setting(DDPM(loss="min-snr", gamma=gamma), parametrization=VPosterior())
    t, _, x_t = s.noised()
    bar = s.model.process.grid.alpha_bar[t]
    weight = torch.minimum(bar / (1 - bar), torch.tensor(gamma, dtype=torch.float64))
    error = mean_per_sample((s.batch.x_0 - s.model.x_0_hat(x_t, t, None, s.batch.condition)) ** 2)
    assert torch.allclose(s.terms().values["min-snr"], weight * error, rtol=1e-9)
    # In eps terms the weight is min(1, gamma/SNR), Hang et al. (2023).
    eps = Setting(DDPM(loss="min-snr", gamma=gamma), parametrization=EpsPosterior())
    t, e, x_t = eps.noised()
    snr = bar / (1 - bar)
    expected = (gamma / snr).clamp(max=1) * mean_per_sample((e - eps.model.raw(x_t, t, None, eps.batch.condition)) ** 2)
    assert torch.allclose(eps.terms().values["min-snr"], expected, rtol=1e-9)


@pytest.mark.parametrize(("k", "gamma"), [(1.0, 1.0), (1.0, 0.5), (0.3, 2.0)])
@pytest.mark.parametrize("parametrization", [EpsPosterior(), X0Posterior()])
def test_p2_weighs_the_error_of_eps(parametrization, k, gamma):
    """(k + SNR)^-gamma, Choi et al. (2022), Eq. 8, whatever the network puts out."""
    s = Setting(DDPM(loss="p2", p2_k=k, p2_gamma=gamma), parametrization=parametrization)
    t, eps, x_t = s.noised()
    bar = s.model.process.grid.alpha_bar[t]
    x_0_hat = s.model.x_0_hat(x_t, t, None, s.batch.condition)
    eps_hat = (x_t - bar.sqrt()[:, None] * x_0_hat) / (1 - bar).sqrt()[:, None]
    expected = (k + bar / (1 - bar)) ** -gamma * mean_per_sample((eps - eps_hat) ** 2)
    assert torch.allclose(s.terms().values["p2"], expected, rtol=1e-9)


def test_p2_without_an_exponent_is_simple_on_eps():
    one, other = (Setting(DDPM(loss=loss, p2_gamma=0.0), parametrization=EpsPosterior()).terms() for loss in ("p2", "simple"))
    assert torch.allclose(one.values["p2"], other.values["simple"], rtol=1e-9)


LEARNED = [X0Posterior(variance="learned"), EpsPosterior(variance="learned"), EDMPosterior(variance="learned")]


@pytest.mark.parametrize("parametrization", LEARNED)
def test_hybrid_is_simple_and_the_bound_with_a_constant_mean(parametrization):
    s = Setting(DDPM(loss="hybrid", decoder_std=STD, vlb_weight=0.01), parametrization=parametrization)
    t, eps, x_t = s.noised()
    q, p = s.model.process, s.model.parametrization
    terms, raw = s.terms(), s.model.raw(x_t, t, None, s.batch.condition)
    simple = mean_per_sample((raw[:, :2] - p.target(s.batch.x_0, eps, None, t)) ** 2)
    assert torch.allclose(terms.values["simple"], simple, rtol=1e-12)
    step, truth = p.distribution(raw, x_t, t, t - 1), q.posterior(s.batch.x_0, x_t, t)
    late = t > 1
    kl = torch.distributions.kl_divergence(
        Normal(truth.mean[late], truth.variance[late].sqrt()), Normal(step.mean[late], step.variance[late].sqrt())
    )
    assert torch.allclose(terms.values["vlb"][late], kl.mean(1), rtol=1e-7)
    at_data = ((s.batch.x_0 - p.x_0(raw, x_t, t)) ** 2).mean(1) / (2 * STD**2)
    assert torch.allclose(terms.values["vlb"][~late], at_data[~late], rtol=1e-7)
    assert bool(late.any())
    assert bool((~late).any())
    # The bound is a sum over the T = 4 steps.
    assert [(term.name, term.weight) for term in s.plan.updates[0].terms] == [("simple", 1.0), ("vlb", 0.04)]


def test_under_hybrid_the_bound_teaches_the_variance_and_simple_the_mean():
    made = EpsPosterior(variance="learned")
    for term, still in (("simple", slice(2, 4)), ("vlb", slice(0, 2))):
        s = Setting(DDPM(loss="hybrid", decoder_std=STD), parametrization=made)
        s.terms().values[term].mean().backward()
        bias = s.model.denoiser.net.out.bias
        assert bool((bias.grad[still] == 0).all())
        assert bool((bias.grad != 0).sum() == 2)
    both = Setting(DDPM(loss="vlb", decoder_std=STD), parametrization=made)
    both.terms().values["vlb"].mean().backward()
    assert bool((both.model.denoiser.net.out.bias.grad != 0).all())


def test_the_bound_is_least_at_the_right_variance():
    """With the mean of a perfect network, the learned variance that the bound asks for is the posterior's: v = -1."""
    made = X0Posterior(variance="learned")
    s = Setting(DDPM(loss="hybrid", decoder_std=STD), parametrization=made)
    values = {}
    for v in (-1.5, -1.0, -0.5, 1.0):
        s.model.raw = lambda x_t, t, z, condition, v=v: torch.cat([s.batch.x_0, torch.full_like(x_t, v)], 1)
        values[v] = s.terms().values["vlb"]
    assert float(values[-1.0].abs().max()) < 1e-12
    late = s.terms().t > 1
    assert all(bool((values[v][late] > 1e-8).all()) for v in (-1.5, -0.5, 1.0))


@pytest.mark.parametrize("parametrization", [X0Posterior(), EpsPosterior(), VPosterior()])
@pytest.mark.parametrize("schedule", [VP(), Geometric(sigma_min=0.5, sigma_max=5.0)])
def test_vlb_is_half_the_lost_snr_times_the_squared_error(parametrization, schedule):
    s = Setting(DDPM(loss="vlb", decoder_std=STD), parametrization=parametrization, schedule=schedule)
    t, eps, x_t = s.noised()
    snr = s.model.process.snr
    lost = snr(t - 1, STD) - snr(t)
    error = sum_per_sample((s.batch.x_0 - s.model.x_0_hat(x_t, t, None, s.batch.condition)) ** 2)
    assert torch.allclose(s.terms().values["vlb"], lost * error / 4, rtol=1e-7)
    assert torch.allclose(lost[t == 1], torch.tensor(1 / STD**2, dtype=torch.float64), rtol=1e-9)
    assert bool((t == 1).any())
    if parametrization.target == "eps":
        later = t > 1
        weight = (snr(t - 1) / snr(t) - 1)[later] / 2
        raw = s.model.raw(x_t, t, None, s.batch.condition)
        expected = weight * mean_per_sample((eps - raw) ** 2)[later]
        assert torch.allclose(s.terms().values["vlb"][later], expected, rtol=1e-7)


def test_vlb_with_fixed_large_pays_for_its_variance():
    """KL of N(m, β̃) to N(m', β): ½ (log(β/β̃) + (β̃ + (m - m')²)/β - 1) per dimension."""
    config = X0Posterior(variance="fixed-large")
    s = Setting(DDPM(loss="vlb", decoder_std=STD), parametrization=config)
    t, _, x_t = s.noised()
    c_x0, _, small = s.model.process.posterior_coefficients(t, t - 1)
    large = s.model.process.grid.beta[t]
    error = mean_per_sample((s.batch.x_0 - s.model.x_0_hat(x_t, t, None, s.batch.condition)) ** 2)
    later = t > 1
    expected = 0.5 * ((large / small).log() + (small + c_x0**2 * error) / large - 1)
    assert torch.allclose(s.terms().values["vlb"][later], expected[later], rtol=1e-7)
    assert torch.allclose(s.terms().values["vlb"][~later], error[~later] / (2 * STD**2), rtol=1e-9)


@pytest.mark.parametrize("kind", ["points", "image"])
@pytest.mark.parametrize("schedule", [VP(), Geometric(sigma_min=0.5, sigma_max=5.0)])
def test_a_conditional_vae_without_a_latent_is_ddpms_bound(kind, schedule):
    """Term by term, on the same x_t: to 1e-6 and better."""
    cvae = Setting(CVAE(observe="x_0", decoder_std=STD), kind, schedule=schedule)
    ddpm = Setting(DDPM(loss="vlb", decoder_std=STD), kind, schedule=schedule)
    terms = cvae.terms()
    rng = draw()
    t = rng.integers("t", 1, 4)
    x_t = cvae.model.process.pair(cvae.batch.x_0, t, rng)[1]
    eps = cvae.model.process.eps_from_x_0(cvae.batch.x_0, x_t, t)
    other = ddpm.terms(Given(eps))
    assert torch.equal(terms.t, other.t)
    assert set(terms.values) == {"rec"}
    assert torch.allclose(terms.values["rec"], other.values["vlb"], rtol=1e-6)
    assert [u.name for u in cvae.plan.updates] == [u.name for u in ddpm.plan.updates] == ["denoiser"]


@pytest.mark.parametrize(("weight", "gamma"), [("simple", 5.0), ("min-snr", 5.0), ("min-snr", 0.3)])
def test_a_conditional_vae_without_a_latent_has_ddpms_weights(weight, gamma):
    """Observing x_0 and predicting it, the weighed reconstruction is DDPM's loss of that name."""
    cvae = Setting(CVAE(observe="x_0", decoder_std=STD, reconstruction=weight, gamma=gamma))
    ddpm = Setting(DDPM(loss=weight, gamma=gamma))
    rng = draw()
    t = rng.integers("t", 1, 4)
    x_t = cvae.model.process.pair(cvae.batch.x_0, t, rng)[1]
    other = ddpm.terms(Given(cvae.model.process.eps_from_x_0(cvae.batch.x_0, x_t, t)))
    assert torch.allclose(cvae.terms().values["rec"], other.values[weight], rtol=1e-7)


def test_observing_x_prev_is_the_same_bound_in_expectation():
    """-log N(x_prev; m', β̃) averages to KL + the entropy of the posterior, which no network changes."""
    n = 4000
    s = Setting(CVAE(observe="x_prev", decoder_std=STD))
    x_0 = s.batch.x_0[:1].expand(n, 2)
    batch = tiny_batch(s.facts, n, torch.float64)
    batch = type(batch)(x_0, batch.condition)
    rng, terms = draw(stop=n), s.terms(draw(stop=n), batch)
    t = rng.integers("t", 1, 4)
    q = s.model.process
    x_t = q.pair(x_0, t, rng)[1]
    p = s.model.distribution(x_t, t, t - 1, None, batch.condition)
    kl = q.step_kl(x_0, p, x_t, t, STD) / 2
    variance = q.posterior_coefficients(t, t - 1)[2] + (t == 1).double() * STD**2
    entropy = 0.5 * (2 * math.pi * variance).log() + 0.5 * (t > 1).double()
    for step in (1, 2, 3, 4):
        difference = (terms.values["rec"] - kl - entropy)[t == step]
        assert bool(difference.mean().abs() < 6 * difference.std() / len(difference) ** 0.5 + 1e-9)


def test_the_bound_refuses_to_be_singular():
    assert [c[0] for c in DDPM(loss="vlb").check(tiny_facts())] == ["loss"]
    assert [c[0] for c in CVAE().check(tiny_facts())] == ["use"]
    direct = tiny_facts(parametrization=Direct())
    assert [c[0] for c in DDPM(loss="min-snr").check(direct)] == ["loss"]
    assert not list(DDPM().check(direct))
    assert [c[0] for c in DDPM(loss="p2").check(direct)] == [c[0] for c in DDPM(loss="hybrid", decoder_std=1.0).check(direct)]
    learned = tiny_facts(parametrization=LEARNED[0])
    assert "fixed" in next(iter(DDPM(loss="hybrid", decoder_std=STD).check(tiny_facts())))[1]
    assert [c[0] for c in DDPM(loss="hybrid").check(learned)] == ["loss"]
    for loss in ("simple", "min-snr", "p2"):
        assert "does not teach the variance" in next(iter(DDPM(loss=loss).check(learned)))[1]
    for loss in ("vlb", "hybrid"):
        assert not list(DDPM(loss=loss, decoder_std=STD).check(learned))
    assert "density" in next(iter(CVAE(decoder_std=STD).check(direct)))[1]
    assert "encoder" in next(iter(CVAE(decoder_std=STD).check(tiny_facts(latent=3))))[1]
    assert "unimodal" in next(iter(CVAE(decoder_std=STD).note(tiny_facts())))[1]
    assert "ignore the latent" in next(iter(DDPM().note(tiny_facts(latent=3))))[1]
    assert not list(DDPM().note(tiny_facts()))
    no_signal = tiny_facts(schedule=ZeroTerminalSNR())
    assert "weight is 0 at t = T" in next(iter(DDPM(loss="p2").note(no_signal)))[1]
    assert not list(DDPM(loss="min-snr").note(tiny_facts()))
    assert not list(DDPM().note(no_signal))
