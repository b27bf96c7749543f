"""Augmentations of what a discriminator sees: keyed, differentiable, the same for both halves of a pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_draw, tiny_facts, tiny_parts

B = 6


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Images, square and oblong, and points where it takes them."""
    yield "image", tiny_facts("image", (3, 16, 16))
    yield "image oblong", tiny_facts("image", (3, 8, 12))
    yield "grey", tiny_facts("image", (1, 9, 7))
    yield "points", tiny_facts()


def changed(case: Case, x: torch.Tensor, start: int = 0, seed: int = 0) -> torch.Tensor:
    """`x` as the discriminator sees it."""
    rng = Draw((seed, "augmentations"), start, start + len(x), dtype=torch.float64)
    out: torch.Tensor = case.build(tiny_parts(case.facts, dtype=torch.float64))(x, rng)
    return out


def pair(case: Case) -> torch.Tensor:
    """A pair stacked along channels."""
    return torch.cat([tiny_draw(case.facts, B, k, case.facts.shape, torch.float64) for k in "ab"], dim=1)


def it_is_keyed(case: Case) -> None:
    """A function of (key, i): the shape stays, and so does the argument."""
    x = pair(case)
    before, out = x.clone(), changed(case, x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert torch.equal(x, before)
    assert torch.equal(out, changed(case, x))
    assert not torch.equal(out, changed(case, x, seed=1))
    assert torch.allclose(out[2:5], changed(case, x[2:5], start=2), rtol=1e-9, atol=1e-12)


def both_halves_get_the_same_draw(case: Case) -> None:
    """Two equal images stacked along channels come out equal, where both are changed."""
    if not case.config.both:
        return
    half = tiny_draw(case.facts, B, "a", case.facts.shape, torch.float64)
    one, two = changed(case, torch.cat([half, half], dim=1)).chunk(2, dim=1)
    assert torch.allclose(one, two, rtol=1e-9, atol=1e-12)


def it_is_differentiable(case: Case) -> None:
    """The denoiser learns through it."""
    x = pair(case).requires_grad_()
    changed(case, x).square().sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    assert bool((x.grad.flatten(1).abs().sum(1) > 0).all())


AUGMENTATIONS = Suite("augmentations", cases, (it_is_keyed, both_halves_get_the_same_draw, it_is_differentiable))
