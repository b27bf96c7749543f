"""What a loss draws can be noted, drawn beforehand and handed to it."""

from __future__ import annotations

import torch

from gentoolkit.diffusion import Draw
from gentoolkit.engine.numerics.noise import Given, Noted, drawn


def asked(rng: Draw) -> list[torch.Tensor]:
    """Some draws, as a loss makes them."""
    inner = rng.scope("fake", 3)
    return [rng.integers("t", 1, 4), rng.normal("z", (2,)), inner.normal("z", (2,)), inner.scope("deep").uniform("u")]


def test_the_same_numbers_come_back_by_name_for_any_batch() -> None:
    noted = Noted(Draw((0, "a"), 0, 8))
    for one, other in zip(asked(noted), asked(Draw((0, "a"), 0, 8)), strict=True):
        assert torch.equal(one, other)
    assert list(noted.requests) == [("t",), ("z",), ("fake", 3, "z"), ("fake", 3, "deep", "u")]
    later = drawn(noted.requests, Draw((0, "b"), 4, 8, dtype=torch.float64))
    for one, other in zip(asked(Given(later)), asked(Draw((0, "b"), 4, 8, dtype=torch.float64)), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
