"""Latents: z is drawn, has a density, and reaches networks as w."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_facts

B = 6


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """One."""
    yield "", tiny_facts()


def draw(start: int, stop: int, seed: int = 0) -> Draw:
    """Keyed noise for some slots."""
    return Draw((seed, "latents"), start, stop, dtype=torch.float64)


def sizes_are_as_promised(case: Case) -> None:
    """z `[B, dim]` and w `[B, w]`, or nothing at all; the widths are offered as facts."""
    z_width, w_width = case.config.sizes(case.facts)
    assert case.config.offer(case.facts) == {"latent": z_width, "w": w_width}
    built = case.build()
    assert (built is None) == (z_width is None) == (w_width is None)
    if built is None:
        return
    z = built.double().draw(draw(0, B))
    assert z.shape == (B, z_width)
    assert z.dtype == torch.float64
    assert built(z).shape == (B, w_width)
    assert built.log_prior(z).shape == (B,)


def draws_are_keyed(case: Case) -> None:
    """z of sample i is a function of (key, i): the same alone, in company, and every time."""
    built = case.build()
    if built is None:
        return
    z = built.draw(draw(0, B))
    assert torch.equal(z, built.draw(draw(0, B)))
    assert torch.equal(z[2:5], built.draw(draw(2, 5)))
    assert not torch.equal(z, built.draw(draw(0, B, seed=1)))


def the_density_is_that_of_the_draws(case: Case) -> None:
    """Stein's identities of z ~ p: E ∇ log p(z) = 0 and E z·∇ log p(z) = -dim, within six standard errors."""
    built, n = case.build(), 4096
    if built is None:
        return
    z = built.draw(draw(0, n)).requires_grad_()
    (score,) = torch.autograd.grad(built.log_prior(z).sum(), z)
    for value, expected in ((score, 0.0), ((z.detach() * score).sum(1), -float(z.shape[1]))):
        error = value.std(0) / n**0.5
        assert bool(((value.mean(0) - expected).abs() < 6 * error).all())


def gradients_reach_every_parameter(case: Case) -> None:
    """Of the mapping network, and through it z."""
    built = case.build()
    if built is None:
        return
    built = built.double()
    z = built.draw(draw(0, B)).requires_grad_()
    w = built(z)
    (w * torch.linspace(0.5, 1.5, w.numel(), dtype=w.dtype).view_as(w)).sum().backward()
    assert z.grad is not None
    assert bool((z.grad != 0).any())
    for name, p in built.named_parameters():
        assert p.grad is not None and bool((p.grad != 0).any()), f"no gradient reaches {name}"


def its_state_dict_is_all_there_is(case: Case) -> None:
    """Another latent of the kind becomes the same by loading its state."""
    one, two = case.build(), case.build(seed=1)
    if one is None:
        return
    two.load_state_dict(one.state_dict(), strict=True)
    z = one.draw(draw(0, B)).float()
    assert torch.equal(one(z), two(z))
    assert torch.equal(one.log_prior(z), two.log_prior(z))


LATENTS = Suite(
    "latents",
    cases,
    (
        sizes_are_as_promised,
        draws_are_keyed,
        the_density_is_that_of_the_draws,
        gradients_reach_every_parameter,
        its_state_dict_is_all_there_is,
    ),
)
