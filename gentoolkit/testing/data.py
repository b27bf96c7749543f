"""Data sources: what the options promise is what the items are."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from gentoolkit.registry import Facts

from .suite import Case, Suite

ITEMS = 8


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """One, of what the source itself offers."""
    yield "", Facts().with_(config.offer(Facts()))


def some(opened: Any) -> list[int]:
    """A few items from all over the set."""
    return np.unique(np.linspace(0, len(opened) - 1, ITEMS).astype(int)).tolist()  # type: ignore[no-any-return]


def items_are_what_was_promised(case: Case) -> None:
    """Shape, type, range and class; uint8 images or float32 points."""
    spec, opened = case.config.spec(), case.build()
    assert len(opened) > 0
    assert spec.kind in ("image", "points")
    assert len(spec.shape) == (3 if spec.kind == "image" else 1)
    for i in some(opened):
        item = opened[i]
        assert tuple(item["x_0"].shape) == tuple(spec.shape)
        if spec.kind == "image":
            assert item["x_0"].dtype == torch.uint8
            assert spec.bounded
        else:
            assert item["x_0"].dtype == torch.float32
            assert bool(item["x_0"].isfinite().all())
            assert not spec.bounded or float(item["x_0"].abs().max()) <= 1
        assert ("y" in item) == (spec.labels is not None)
        if spec.labels is not None:
            assert 0 <= item["y"] < spec.labels


def facts_follow_from_options_alone(case: Case) -> None:
    """What it offers is its spec, and valid facts."""
    spec, facts = case.config.spec(), case.facts
    found = (facts.kind, facts.shape, facts.bounded, facts.labels)
    assert found == (spec.kind, spec.shape, spec.bounded, spec.labels)
    assert facts.data == case.config.name
    if spec.mixture is not None:
        assert len(spec.mixture["means"]) == len(spec.mixture["weights"])
        assert spec.mixture["std"] > 0
        assert abs(sum(spec.mixture["weights"]) - 1) < 1e-9


def items_are_the_same_every_time(case: Case) -> None:
    """Opened twice it is one set, with one fingerprint; a change of an item by its reader reaches nobody else."""
    one, two = case.build(), case.build()
    assert one.fingerprint() == two.fingerprint()
    assert len(one) == len(two)
    assert len(one.fingerprint()) == 64
    assert int(one.fingerprint(), 16) >= 0
    for i in some(one):
        assert torch.equal(one[i]["x_0"], two[i]["x_0"])
        assert one[i].get("y") == two[i].get("y")


def whole_batches_are_stacked_items(case: Case) -> None:
    """`items(indices)`, where there is one, and `labels()` say what `set[i]` does."""
    opened = case.build()
    wanted = np.array(some(opened)[::-1], dtype=np.int64)
    one_by_one = [opened[int(i)] for i in wanted]
    if hasattr(opened, "items"):
        batch = opened.items(wanted)
        assert set(batch) == set(one_by_one[0])
        for name, values in batch.items():
            expected = torch.stack([torch.as_tensor(item[name]) for item in one_by_one])
            assert torch.equal(torch.as_tensor(values), expected), name
    if case.config.spec().labels is not None:
        labels = opened.labels()
        assert labels.shape == (len(opened),)
        assert labels.dtype == np.int64
        assert labels[wanted].tolist() == [item["y"] for item in one_by_one]


def random_changes_are_keyed(case: Case) -> None:
    """`item(i, rng)`, where there is one, is a function of its generator, and leaves `set[i]` alone."""
    opened = case.build()
    if not hasattr(opened, "item"):
        return
    for i in some(opened):
        before = copy.deepcopy(opened[i])
        one, two = (opened.item(i, np.random.Generator(np.random.Philox(key=i))) for _ in range(2))
        assert torch.equal(one["x_0"], two["x_0"])
        assert one["x_0"].shape == before["x_0"].shape
        assert torch.equal(opened[i]["x_0"], before["x_0"])
        assert one.get("y") == before.get("y")


DATA = Suite(
    "data",
    cases,
    (
        items_are_what_was_promised,
        facts_follow_from_options_alone,
        items_are_the_same_every_time,
        whole_batches_are_stacked_items,
        random_changes_are_keyed,
    ),
)
