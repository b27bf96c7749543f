"""The law of the latent: z has the density and the moments of a mixture of Gaussians on the axes."""

from __future__ import annotations

import torch
from gentool_example.axes import MixtureOnAxes

from gentoolkit.diffusion import Draw

DIM, DISTANCE, N = 3, 4.0, 20_000


def draws() -> tuple[MixtureOnAxes, torch.Tensor]:
    latent = MixtureOnAxes(DIM, DISTANCE, width=5).double()
    return latent, latent.draw(Draw((0, "mixture"), 0, N, dtype=torch.float64))


def test_density_is_that_of_a_mixture() -> None:
    """Against torch.distributions."""
    latent, z = draws()
    parts = torch.distributions.MultivariateNormal(DISTANCE * torch.eye(DIM).double(), torch.eye(DIM).double())
    whole = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(DIM).double()), parts)
    torch.testing.assert_close(latent.log_prior(z[:100]), whole.log_prob(z[:100]), rtol=1e-12, atol=1e-12)


def test_draws_have_its_moments() -> None:
    """mean = distance/dim, covariance = I + distance² (I/dim - 1/dim²), within six standard errors."""
    _, z = draws()
    share = 1 / DIM
    covariance = torch.eye(DIM) * (1 + DISTANCE**2 * share) - DISTANCE**2 * share**2
    assert bool(((z.mean(0) - DISTANCE * share).abs() < 6 * z.std(0) / N**0.5).all())
    assert float((z.T.cov() - covariance).abs().max()) < 6 * float(covariance.max()) * (2 / N) ** 0.5


def test_all_gaussians_are_drawn_equally_often() -> None:
    _, z = draws()
    shares = torch.bincount(z.argmax(1), minlength=DIM) / N
    assert float((shares - 1 / DIM).abs().max()) < 6 * (1 / DIM / N) ** 0.5


def test_distance_0_is_a_standard_gaussian() -> None:
    latent = MixtureOnAxes(4, 0.0, width=5)
    z = latent.draw(Draw((0,), 0, 7))
    assert torch.equal(z, Draw((0,), 0, 7).normal("z", (4,)))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(latent.log_prior(z), expected, rtol=1e-5, atol=1e-5)
