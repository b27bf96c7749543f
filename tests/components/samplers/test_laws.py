"""Every sampler against the exact oracle: the law it draws from, and the order at which it converges."""

from __future__ import annotations

import itertools

import attrs
import pytest
import torch
from torch import nn

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import X0Posterior
from gentoolkit.components.samplers.ancestral import Ancestral
from gentoolkit.components.samplers.ddim import DDIM
from gentoolkit.components.samplers.dpm_solver import DPMSolverPP
from gentoolkit.components.samplers.edm_steps import level_of
from gentoolkit.components.samplers.fast_ddpm import FastDDPM
from gentoolkit.components.samplers.flow import slope
from gentoolkit.components.samplers.heun import Heun
from gentoolkit.components.samplers.langevin import CorrectedWalk
from gentoolkit.components.samplers.levels import between, on_grid
from gentoolkit.components.samplers.paths import level_path, log_level, path
from gentoolkit.components.samplers.predictor_corrector import PredictorCorrector
from gentoolkit.components.samplers.probability_flow import ProbabilityFlow
from gentoolkit.components.samplers.state import State, onwards, states
from gentoolkit.components.schedules.cosine import Cosine
from gentoolkit.components.schedules.edm import EDM
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.components.schedules.zero_terminal_snr import ZeroTerminalSNR
from gentoolkit.diffusion import Draw, GaussianForward, MixtureOracle
from gentoolkit.testing import tiny_facts, tiny_parts

PLANE = {"means": [[-1.0, 0.3], [0.8, 0.8], [0.5, -1.0]], "std": 0.2, "weights": [0.3, 0.2, 0.5]}
SCHEDULES = {
    "vp": VP(),
    "edm": EDM(sigma_max=20.0),
    "rectified": Rectified(),
    "cosine": Cosine(),
    "zero snr": ZeroTerminalSNR(),
}


class Mean(nn.Module):
    """A network that knows E[x_0 | x_t], at steps of the grid and at times between them."""

    def __init__(self, oracle):
        super().__init__()
        self.oracle, self.times = oracle, []

    def forward(self, x, level, condition):
        """In the terms of x_0, out of what the parametrization made of x_t."""
        t = level.time.double() if level.index is None else level.index + 1
        if level.index is None:
            self.times.append(float(t[0]))
        alpha, sigma = self.oracle.process.alpha_sigma(t)
        scale = 1.0 if self.oracle.preserves else (alpha**2 + sigma**2).sqrt()[:, None]
        return self.oracle.x_0_mean(x * scale, t)


def world(schedule="vp", T=200):
    """(facts, model with the exact network, oracle)."""
    curve = SCHEDULES[schedule].build(tiny_facts(), {})
    q = GaussianForward(curve.grid(T), curve)
    oracle = MixtureOracle.of(q, PLANE)
    parametrization = X0Posterior().build(tiny_facts(), {"process": q})
    oracle.preserves = parametrization.preserves
    facts = tiny_facts(steps=T, any_time=True, alpha_T=float(q.grid.alpha[-1]))
    return facts, StepModel(Mean(oracle), None, parametrization, q), oracle


def draw(n, seed=0):
    return Draw((seed, "laws"), 0, n, dtype=torch.float64)


@torch.no_grad()
def walk(config, facts, model, n=1500):
    return list(states(config.build(facts, {}), model, (2,), draw(n), Condition()))


def off(x):
    """How far samples are from the mixture, in standard errors: shares of modes, means and variances within them."""
    means, weights = torch.tensor(PLANE["means"]).double(), torch.tensor(PLANE["weights"]).double()
    mode = torch.cdist(x.double(), means).argmin(1)
    n, found = len(x), {}
    for k in range(3):
        share = float((mode == k).double().mean())
        found[f"share {k}"] = abs(share - float(weights[k])) / float(weights[k] * (1 - weights[k]) / n) ** 0.5
        inside = (x[mode == k].double() - means[k]) / PLANE["std"]
        m = inside.numel()
        found[f"mean {k}"] = float(inside.mean(0).abs().max()) * (m / 2) ** 0.5
        found[f"variance {k}"] = abs(float((inside**2).mean()) - 1) / (2 / m) ** 0.5
    return found


SAMPLERS = {
    "ancestral": Ancestral(),
    "ddim": DDIM(),
    "fast": FastDDPM(),
    "fast large": FastDDPM(variance="large", spacing="linear"),
    "dpm": DPMSolverPP(steps=50, spacing="log-snr"),
    "dpm exact": DPMSolverPP(rule="exact"),
    "heun": Heun(steps=40),
    "heun grid": Heun(spacing="grid"),
    "heun churn": Heun(steps=60, churn=20.0),
    "corrected": PredictorCorrector(snr=0.1),
    "reverse": PredictorCorrector(predictor="reverse-diffusion", snr=0.1),
    "flow euler": ProbabilityFlow(solver="euler"),
    "flow heun": ProbabilityFlow(),
    "flow rk4": ProbabilityFlow(steps=100, solver="rk4"),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", SAMPLERS)
def test_many_steps_draw_the_mixture(schedule, name):
    """Shares, means and variances of all modes within five standard errors, also where alpha_T = 0."""
    facts, model, _ = world(schedule)
    config = SAMPLERS[name]
    complaints = [*config.fits(facts), *config.check(facts)]
    if name == "reverse" and schedule in ("rectified", "cosine", "zero snr"):
        assert [c[0] for c in complaints] == ["predictor"]
        return
    assert not complaints
    last = walk(config, facts, model)[-1]
    wrong = off(last.x)
    assert max(wrong.values()) < 5, wrong


def test_the_statistic_sees_a_wrong_amount_of_noise():
    """Noise of another deviation in the churn is no longer the mixture's law, nor are too few random steps."""
    facts, model, _ = world("vp")
    more, less = (Heun(steps=60, churn=20.0, churn_noise=noise) for noise in (1.2, 0.7))
    for config in (more, less, Ancestral(steps=20)):
        assert max(off(walk(config, facts, model)[-1].x).values()) > 8


def test_fast_ddpm_is_ancestral_sampling_over_the_same_steps():
    """With linear strides and the small variance, for a model of fixed-small variance; with the large one, of fixed-large."""
    facts = tiny_facts(steps=16)
    for variance, trained in (("small", "fixed-small"), ("large", "fixed-large")):
        made = X0Posterior(variance=trained)
        model = tiny_parts(facts, parametrization=made, dtype=torch.float64)["model"]
        one = walk(FastDDPM(steps=5, spacing="linear", variance=variance), facts, model, 8)
        for a, b in zip(one, walk(Ancestral(steps=5), facts, model, 8), strict=True):
            assert a.t == b.t
            assert torch.allclose(a.x, b.x, rtol=1e-9, atol=1e-9)
    assert [s.t for s in walk(FastDDPM(steps=5), facts, model, 8)] == [16, 10, 6, 3, 1, 0]
    learned = X0Posterior(variance="learned")
    wide = tiny_facts(steps=16, parametrization=learned)
    other = tiny_parts(wide, parametrization=learned, dtype=torch.float64)["model"]
    mine, theirs = (walk(s, wide, other, 8)[1].x for s in (FastDDPM(spacing="linear"), Ancestral()))
    assert not torch.allclose(mine, theirs), "the variance is the chain's, not the model's"


def test_ddim_at_eta_one_is_ancestral_sampling_of_the_mixture():
    facts, model, _ = world("vp", T=60)
    for steps in (None, 7):
        one, other = (walk(s, facts, model, 50) for s in (Ancestral(steps=steps), DDIM(steps=steps, eta=1.0)))
        assert torch.allclose(one[-1].x, other[-1].x, rtol=1e-8, atol=1e-8)


@torch.no_grad()
def errors(config, schedule, strides=(8, 16, 32, 64)):
    """Largest distance from the flow's exact x at t = T/4, for so many strides from T; every path passes there."""
    facts, model, _ = world(schedule, T=1024)
    start = model.process.prior((2,), draw(40).scope("start"))

    def at_a_quarter(config):
        sampler = config.build(facts, {})
        return next(s.x for s in onwards(sampler, model, State(1024, start), draw(40), Condition()) if s.t == 256)

    exact = at_a_quarter(ProbabilityFlow(steps=512, solver="rk4"))
    return [float((at_a_quarter(attrs.evolve(config, steps=n)) - exact).abs().max()) for n in strides]


@pytest.mark.parametrize(
    ("config", "order"),
    [
        (DDIM(), 1),
        (ProbabilityFlow(solver="euler"), 1),
        (Heun(spacing="grid"), 2),
        (DPMSolverPP(), 2),
        (DPMSolverPP(rule="exact"), 2),
        (ProbabilityFlow(), 2),
        (ProbabilityFlow(solver="rk4"), 4),
    ],
    ids=["ddim", "euler", "heun", "dpm", "dpm exact", "flow heun", "rk4"],
)
@pytest.mark.parametrize("schedule", ["vp", "edm"])
def test_half_the_stride_divides_the_error_by_2_to_the_order(config, order, schedule):
    found = errors(config, schedule, (32, 64, 128) if order < 4 else (16, 32, 64))
    rates = [before / after for before, after in itertools.pairwise(found)]
    assert 2**order * 0.7 < rates[-1] < 2**order * 1.5


def test_multistep_memory_is_what_makes_the_second_order():
    """The same steps without the state's memory are DDIM's, and a state whose memory is of lower noise has none."""
    facts, model, _ = world("vp", T=32)
    sampler = DPMSolverPP(steps=8).build(facts, {})
    state = walk(DPMSolverPP(steps=8), facts, model, 20)[3]
    with torch.no_grad():
        whole = sampler.step(model, state, draw(20), Condition()).x
        ddim = DDIM(steps=8).build(facts, {}).step(model, state, draw(20), Condition()).x
        for forgotten in (State(state.t, state.x), attrs.evolve(state, before=state.t - 1)):
            assert torch.allclose(sampler.step(model, forgotten, draw(20), Condition()).x, ddim, atol=1e-12)
    assert not torch.allclose(whole, ddim, atol=1e-6)


@torch.no_grad()
def test_corrections_leave_the_marginal_as_it_is():
    """Sixty Langevin steps at one level, from exact draws of q(x_t); with half the noise or twice they would leave it."""
    facts, model, oracle = world("vp", T=20)
    t, n = 8, 3000
    x_0 = oracle.draw_x_0(draw(n).scope("x_0"))
    x = model.process.marginal(x_0, torch.full((n,), t), draw(n).normal("eps", (2,)))
    sampler = PredictorCorrector(snr=0.1).build(facts, {})
    assert isinstance(sampler, CorrectedWalk)
    before, y = x, x
    for k in range(60):
        y = sampler.corrected(model, y, t, draw(n).scope(k), Condition())
    assert float((y - before).norm(dim=1).mean()) > 0.3, "nothing moved"
    for d in range(2):
        edges = before[:, d].sort().values
        gap = (torch.searchsorted(edges, y[:, d].sort().values) / n - torch.arange(1, n + 1) / n).abs().max()
        assert float(gap) < 1.63 * (2 / n) ** 0.5, "Kolmogorov-Smirnov, 1 %"
    z = x
    for k in range(60):
        noise = draw(n).scope(k).normal("langevin", (2,))
        sigma = float(model.process.grid.sigma[t])
        z = sampler.corrected(model, z, t, draw(n).scope(k), Condition()) + noise * (2 * 0.1 * sigma)
    assert float((z.var(0) / before.var(0)).min()) > 1.15


def test_what_correction_costs_and_changes():
    facts, model, _ = world("vp", T=6)
    one, two = walk(PredictorCorrector(), facts, model, 8), walk(PredictorCorrector(corrections=3), facts, model, 8)
    assert (one[-1].evaluations, two[-1].evaluations) == (6 + 5, 6 + 15)
    assert torch.equal(one[-1].x, one[-1].x_0_hat)
    assert walk(Heun(), facts, model, 8)[-1].evaluations == 11
    assert walk(ProbabilityFlow(solver="rk4"), facts, model, 8)[-1].evaluations == 21


def test_churn_goes_to_levels_between_the_steps_and_not_beyond_the_last():
    facts, model, _ = world("edm", T=12)
    network = model.denoiser
    walk(Heun(), facts, model, 4)
    assert not network.times, "without churn the network is asked at steps alone"
    walk(Heun(churn=6.0), facts, model, 4)
    assert len(network.times) == 10, "not at t = T, and not in the last step"
    assert all(0 < time <= 1 for time in network.times)
    network.times.clear()
    walk(Heun(churn=6.0, churn_min=1.0, churn_max=10.0), facts, model, 4)
    ratios = [float(r) for r in model.process.grid.sigma[2:-1] if 1 <= r <= 10]
    assert len(network.times) == len(ratios) > 0
    found = sorted(between(model.process, time).ratio for time in network.times)
    assert found == pytest.approx([1.4142135 * r for r in ratios], rel=1e-6)


@pytest.mark.parametrize("schedule", ["vp", "edm", "cosine"])
def test_a_level_is_found_by_its_ratio(schedule):
    q = world(schedule, T=10)[1].process
    for t in (1, 4, 9):
        ratio = on_grid(q, t).ratio * 1.1
        assert level_of(q, ratio).ratio == pytest.approx(ratio, rel=1e-6)
    assert level_of(q, 1e30).at == pytest.approx(1.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_slopes_are_derivatives(schedule):
    q = world(schedule, T=10)[1].process
    for t in (2, 5, 10):
        time = q.grid.time[t].clone().requires_grad_()
        alpha, sigma = q.curve.alpha_sigma(time[None])
        d_alpha, d_sigma = (float(torch.autograd.grad(v.sum(), time, retain_graph=True)[0]) for v in (alpha + 0 * time, sigma))
        found = slope(q, on_grid(q, t))
        tolerance = 0.01 if schedule == "zero snr" else 1e-5  # its slope jumps at native steps; half of it lies between
        assert found.alpha == pytest.approx(d_alpha, rel=tolerance, abs=1e-9)
        assert found.sigma == pytest.approx(d_sigma, rel=tolerance, abs=1e-9)


def test_straight_schedules_have_straight_flows():
    """On the straight path a step of first order in time is DDIM's."""
    facts, model, _ = world("rectified", T=9)
    one, other = walk(ProbabilityFlow(solver="euler"), facts, model, 20), walk(DDIM(), facts, model, 20)
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a.x, b.x, atol=1e-6)


@pytest.mark.parametrize(("T", "steps"), [(10, 4), (100, 7), (1000, 50), (8, 8), (8, 7), (4, 1), (5, 2)])
def test_quadratic_paths(T, steps):
    found = path(T, steps, "quadratic")
    assert (len(found), found[0], found[-1]) == (steps + 1, 0, T)
    assert list(found) == sorted(set(found))
    if steps**2 <= T:
        assert all(abs(t - T * (k / steps) ** 2) <= 1 for k, t in enumerate(found))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 12, 49, 50, None])
def test_paths_by_level(schedule, steps):
    q = world(schedule, T=50)[1].process
    found = level_path(q, steps, log_level)
    assert (len(found), found[0], found[-1]) == ((steps or 50) + 1, 0, 50)
    assert list(found) == sorted(set(found))
    if steps == 12:
        assert found[1] == 1, "the last level before the data is the grid's lowest"


def test_edms_own_levels_are_the_grid_of_its_schedule():
    """Rho-spaced in 8 steps, on a grid fine enough to hold them."""
    fine = world("edm", T=4000)[1].process
    wanted = EDM(sigma_max=20.0).build(tiny_facts(), {}).grid(8).sigma[1:]
    found = fine.grid.sigma[list(level_path(fine, 8, lambda r: r ** (1 / 7)))[1:]]
    assert torch.allclose(found, wanted, rtol=4e-3)


def test_clipped_predictions_reach_the_state():
    facts = tiny_facts("image", steps=4, any_time=True)
    model = tiny_parts(facts, dtype=torch.float64)["model"]
    with torch.no_grad():
        model.denoiser.net.out.weight *= 40
        for config in (FastDDPM, DPMSolverPP, Heun, PredictorCorrector, ProbabilityFlow):
            free, clipped = (
                list(states(config(clip=clip).build(facts, {}), model, facts.shape, draw(4), Condition()))
                for clip in (False, True)
            )
            assert float(free[1].x_0_hat.abs().max()) > 1
            assert float(clipped[1].x_0_hat.abs().max()) == 1
            assert float(clipped[-1].x.abs().max()) <= 1


def test_what_does_not_fit_is_said():
    latent, direct = tiny_facts(latent=3), tiny_facts(parametrization=Direct())
    for config in (DPMSolverPP(), Heun(), PredictorCorrector(), ProbabilityFlow()):
        assert [c[0] for c in config.fits(latent)] == ["use"]
        assert [c[0] for c in config.fits(direct)] == ["use"]
    assert not list(FastDDPM().fits(latent))
    assert [c[0] for c in FastDDPM().fits(direct)] == ["use"]
    steps_alone, any_time = tiny_facts(steps=8), tiny_facts(steps=8, any_time=True)
    assert [c[0] for c in Heun(churn=1.0).check(steps_alone)] == ["churn"]
    assert not [*Heun(churn=1.0).check(any_time), *Heun().check(steps_alone)]
    assert [c[0] for c in Heun(churn_min=2.0, churn_max=1.0).check(any_time)] == ["churn_min"]
    rk4 = ProbabilityFlow(solver="rk4")
    assert [c[2] for c in rk4.check(steps_alone)] == ['steps = 4, or solver = "heun"']
    assert not [*attrs.evolve(rk4, steps=4).check(steps_alone), *rk4.check(any_time), *ProbabilityFlow().check(steps_alone)]
    assert [c[2] for c in attrs.evolve(rk4, steps=4).check(tiny_facts(steps=8, spacing="quadratic"))] == ['solver = "heun"']


def test_fourth_order_on_a_grid_of_steps_alone():
    """Every other step of the grid is a middle: the network is asked nowhere else."""
    facts, model, _ = world("vp", T=16)
    walk(ProbabilityFlow(solver="rk4", steps=8), facts, model, 4)
    assert not model.denoiser.times
    walk(ProbabilityFlow(solver="rk4"), facts, model, 4)
    assert len(model.denoiser.times) == 30
