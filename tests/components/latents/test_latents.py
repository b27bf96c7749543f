"""Latents: the standard normal, and StyleGAN's mapping network."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.latents.none import NoLatent
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts


def test_z_is_standard_normal_and_knows_its_density():
    latent = GaussianLatent(dim=6).build(Facts(), {})
    z = latent.draw(Draw(("z",), 0, 10_000))
    standard = Independent(Normal(torch.zeros(6), torch.ones(6)), 1)
    assert torch.allclose(latent.log_prior(z), standard.log_prob(z), rtol=1e-5)
    assert bool((z.mean(0).abs() < 0.06).all())
    assert z.var(0).tolist() == pytest.approx([1] * 6, abs=0.09)


def test_w_depends_on_the_direction_of_z_alone():
    """z is normalised first: the mapping network sees a point on a sphere."""
    latent = GaussianLatent(dim=6, width=5, layers=2).build(Facts(), {})
    z = latent.draw(Draw(("z",), 0, 4))
    assert torch.allclose(latent(z), latent(7 * z), atol=1e-5)
    assert not torch.allclose(latent(z), latent(-z))
    assert [type(m) for m in latent.mapping][1:] == [nn.Linear, nn.SiLU] * 2


def test_without_layers_the_network_sees_z_itself():
    config = GaussianLatent(dim=6, width=5, layers=0)
    latent, z = config.build(Facts(), {}), torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(latent(z), z)
    assert config.offer(Facts()) == {"latent": 6, "w": 6}
    assert GaussianLatent(dim=6, width=5).offer(Facts()) == {"latent": 6, "w": 5}


def test_no_latent_is_nothing():
    assert NoLatent().build(Facts(), {}) is None
    assert NoLatent().offer(Facts()) == {"latent": None, "w": None}
