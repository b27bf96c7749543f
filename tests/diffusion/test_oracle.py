"""The oracle of a Gaussian mixture against brute-force Bayes on a grid, and against its own draws."""

from __future__ import annotations

import math

import pytest
import torch

from gentoolkit.components.data.gaussians25 import Gaussians25
from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward, MixtureOracle
from gentoolkit.registry import Facts

LINE = {"means": [[-1.5], [0.2], [1.0]], "std": 0.15, "weights": [0.5, 0.2, 0.3]}
PLANE = {"means": [[-1.0, 0.3], [0.8, 0.8], [0.5, -1.0]], "std": 0.2, "weights": [0.3, 0.3, 0.4]}
SCHEDULES = [VP(), Geometric(sigma_min=0.3, sigma_max=3.0), Rectified()]
STEPS = [(1, 0), (2, 1), (3, 2), (3, 1), (3, 0)]


def oracle(mixture=LINE, schedule=None, T=3):
    curve = (schedule or VP()).build(Facts(), {})
    return MixtureOracle.of(GaussianForward(curve.grid(T), curve), mixture)


def mesh(dims, low, high, n):
    axis = torch.linspace(low, high, n, dtype=torch.float64)
    points = torch.cartesian_prod(*[axis] * dims).view(-1, dims)
    return points, float(axis[1] - axis[0]) ** dims


def at(step, n):
    return torch.full((n,), step)


def density_0(mixture, x):
    means, weights = torch.tensor(mixture["means"]).double(), torch.tensor(mixture["weights"]).double()
    square = ((x[:, None] - means) ** 2).sum(-1) / mixture["std"] ** 2
    dims = x.shape[1]
    return (weights * torch.exp(-square / 2)).sum(1) / (2 * math.pi * mixture["std"] ** 2) ** (dims / 2)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(("t", "s"), STEPS)
def test_the_step_is_bayes_on_the_line(schedule, t, s):
    """q(x_s | x_t) ∝ ∫ q(x_0) q(x_s | x_0) dx_0 · q(x_t | x_s), everything summed on a grid."""
    o, x_t = oracle(schedule=schedule), torch.tensor([[0.4]], dtype=torch.float64)
    q = o.process
    x, cell = mesh(1, -10, 10, 1600)
    alpha_s, sigma_s = (float(v) for v in q.alpha_sigma(torch.tensor(s)))
    p_s = density_0(LINE, x)
    if s > 0:
        kernel = torch.exp(-((x - alpha_s * x.T) ** 2) / (2 * sigma_s**2)) / (2 * math.pi * sigma_s**2) ** 0.5
        p_s = kernel @ p_s * cell
    a, w = (float(v) for v in q.transition(torch.tensor(t), torch.tensor(s)))
    posterior = p_s * torch.exp(-((x_t - a * x) ** 2) / (2 * w))[:, 0]
    posterior /= posterior.sum() * cell
    found = o.log_prob(x, x_t.expand_as(x), at(t, len(x)), at(s, len(x))).exp()
    assert float((found - posterior).abs().max()) < 1e-6 * float(posterior.max())
    if s == 0:
        mean = float((x[:, 0] * posterior).sum() * cell)
        assert float(o.x_0_mean(x_t, torch.tensor([t]))) == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("mixture", [LINE, PLANE], ids=["line", "plane"])
@pytest.mark.parametrize(("t", "s"), STEPS)
def test_densities_integrate_to_one(mixture, t, s):
    o, dims = oracle(mixture), len(mixture["means"][0])
    x, cell = mesh(dims, -8, 8, 2000 if dims == 1 else 250)
    x_t = torch.full_like(x, 0.3)
    total = float(o.log_prob(x, x_t, at(t, len(x)), at(s, len(x))).exp().sum() * cell)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_draws_have_the_moments_of_the_matched_gaussian(t, s):
    """Within six standard errors; the exact variance of x_s also at s = 0."""
    o, n = oracle(PLANE), 20_000
    x_t = torch.tensor([[0.3, -0.2]], dtype=torch.float64).expand(n, 2)
    x_s = o.step(x_t, at(t, n), at(s, n), Draw(("oracle", t, s), 0, n))
    p = o.gaussian(x_t[:1], at(t, 1), at(s, 1), matched=True)
    grid, cell = mesh(2, -8, 8, 250)
    density = o.log_prob(grid, x_t[:1].expand_as(grid), at(t, len(grid)), at(s, len(grid))).exp() * cell
    mean = (density[:, None] * grid).sum(0)
    variance = (density[:, None] * (grid - mean) ** 2).sum(0)
    assert torch.allclose(p.mean[0], mean, atol=1e-6)
    if s > 0:
        assert torch.allclose(p.variance[0], variance, rtol=1e-5)
    assert bool(((x_s.mean(0) - mean).abs() < 6 * (variance / n).sqrt()).all())
    fourth = (density[:, None] * (grid - mean) ** 4).sum(0)
    assert bool(((x_s.var(0) - variance).abs() < 6 * ((fourth - variance**2) / n).sqrt()).all())


def test_gaussian_steps_are_points_at_s_0_and_have_the_posteriors_variance():
    o = oracle(PLANE)
    x_t = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    for matched in (False, True):
        assert bool((o.gaussian(x_t, at(1, 1), at(0, 1), matched).variance == 0).all())
    exact = o.process.posterior_coefficients(at(2, 1), at(1, 1))[2]
    assert torch.equal(o.gaussian(x_t, at(2, 1), at(1, 1)).variance.flatten(), exact)
    assert bool((o.gaussian(x_t, at(2, 1), at(1, 1), True).variance > exact).all())


def test_clean_draws_are_of_the_mixture():
    n = 20_000
    x = oracle(PLANE).draw_x_0(Draw(("clean",), 0, n))
    means = torch.tensor(PLANE["means"]).double()
    nearest = torch.cdist(x, means).argmin(1)
    shares = torch.bincount(nearest, minlength=3) / n
    assert shares.tolist() == pytest.approx(PLANE["weights"], abs=0.03)
    assert float((x - means[nearest]).std()) == pytest.approx(0.2, rel=0.05)


def test_the_component_responsibilities():
    o = oracle(PLANE)
    log_r, m, variance = o.components(torch.tensor([[0.3, -0.2]]), at(2, 1))
    assert float(log_r.exp().sum()) == pytest.approx(1)
    assert m.shape == (1, 3, 2)
    alpha, sigma = (float(v) for v in o.process.alpha_sigma(torch.tensor(2)))
    assert float(variance) == pytest.approx(1 / (1 / 0.2**2 + alpha**2 / sigma**2))


def test_twenty_five_gaussians_need_many_gaussian_steps_but_few_exact_ones():
    """The paper's argument: a Gaussian step cannot follow at T = 4 what it can at T = 50."""
    from gentoolkit.evaluation.oracle_table import oracle_samples

    means = torch.tensor(Gaussians25().spec().mixture["means"]).double()
    std = Gaussians25().spec().mixture["std"]

    def judged(T, kind, n=1000):
        distance, mode = torch.cdist(oracle_samples(T, n, 0, kind), means).min(1)
        good = distance <= 4 * std
        return float(good.double().mean()), len(mode[good].unique())

    for T in (1, 2, 4):
        quality, modes = judged(T, "exact")
        assert quality > 0.995
        assert modes == 25
    assert judged(4, "gaussian")[0] < 0.08
    assert judged(4, "matched")[0] < 0.08
    assert 0.3 < judged(16, "gaussian")[0] < 0.45
    assert judged(50, "gaussian")[0] > 0.97
    assert judged(1, "gaussian") == (1.0, 1), "one noiseless Gaussian step puts everything on the central mode"
