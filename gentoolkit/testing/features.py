"""Features: rows that depend on their sample alone, under a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gentoolkit.registry import Facts

from .suite import Case, Suite, fit
from .tiny import tiny_facts

B = 6


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Grey and colour images, and points; those that it takes."""
    for name, facts in (
        ("grey", tiny_facts("image", (1, 8, 8))),
        ("colour", tiny_facts("image", (3, 12, 12))),
        ("points", tiny_facts("points", (2,))),
    ):
        if fit(config, facts):
            yield name, facts


def samples_of(case: Case) -> Tensor:
    """Some samples as features take them, no two the same."""
    generator = torch.Generator().manual_seed(0)
    if case.facts.kind == "image":
        return torch.randint(0, 256, (B, *case.facts.shape), dtype=torch.uint8, generator=generator)
    return torch.randn(B, *case.facts.shape, generator=generator)


def a_row_for_each_sample(case: Case) -> None:
    """Finite float32 rows by name, `features` among them, and `logits` where it is said to be a classifier."""
    look = case.build()
    assert isinstance(look.key, str) and look.key == look.key.strip() != "" and "\n" not in look.key
    found = look(samples_of(case))
    assert ("logits" in found) == type(case.config).logits and "features" in found
    for rows in found.values():
        assert isinstance(rows, np.ndarray) and rows.dtype == np.float32 and rows.ndim == 2 and len(rows) == B
        assert np.isfinite(rows).all()


def a_row_depends_on_its_sample_alone(case: Case) -> None:
    """Other samples beside it change a row by rounding at most; other samples have other rows; and asking again, or building it
    again, gives the very rows."""
    look, x = case.build(), samples_of(case)
    rows = look(x)["features"]
    assert np.array_equal(rows, look(x)["features"])
    again = case.build(seed=1)
    assert again.key == look.key and np.array_equal(rows, again(x)["features"]), "it depends on a global seed"
    scale = np.abs(rows).max()
    assert np.allclose(rows[2:5], look(x[2:5])["features"], rtol=1e-4, atol=1e-4 * scale)
    assert len(np.unique(rows, axis=0)) == B


def samples_are_left_alone(case: Case) -> None:
    """Looking changes nothing, and keeps no graph."""
    look, x = case.build(), samples_of(case)
    before = x.clone()
    with torch.enable_grad():
        look(x)
    assert torch.equal(before, x)


FEATURES = Suite("features", cases, (a_row_for_each_sample, a_row_depends_on_its_sample_alone, samples_are_left_alone))
