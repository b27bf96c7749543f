"""Batches do not depend on who prepares them, and what goes wrong in a worker is said as anywhere else."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gentoolkit.engine.feed import Feed, Items, to_data_range
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.ring import SPARE, Ring
from gentoolkit.recipe import load
from gentoolkit.registry import Facts, GentoolError, get_registry
from gentoolkit.testing.sources import write_source

BATCHES = 12


@pytest.fixture(autouse=True)
def workers_of_one_test_at_a_time() -> Iterator[None]:
    """Loaders of earlier tests are garbage that a forked worker would inherit, and then wait for in vain."""
    yield
    gc.collect()


def feed(use: str, source: str, workers: int, start: int = 0, rank: int = 0, size: int = 1, **options: Any) -> Feed:
    """One process's feed of its part of batches of four."""
    config = get_registry().find("data", use)(source=source, size=8, **options)
    recipe = load("digits/ddgan", [f"training.workers={workers}", "training.batch_size=4", "model.condition=class"]).recipe
    facts = Facts().with_(config.offer(Facts())).with_({"classes": 2})
    here = World(rank, size, torch.device("cpu"))
    made = Feed(config.build(facts, {}), recipe, facts, here, 1, start, torch.float32)
    assert (made.ring is not None) == (workers > 0)
    return made


@pytest.mark.parametrize("use", ["image-folder", "image-zip", "packed"])
def test_workers_and_a_ring_change_nothing(tmp_path: Path, use: str) -> None:
    source = write_source(use, tmp_path, n=37)
    alone, two = (feed(use, source, workers, classes=2, flip=True) for workers in (0, 2))
    batches = [(alone.next(), two.next()) for _ in range(BATCHES)]
    for one, other in batches:
        assert one.x_0.shape == (4, 3, 8, 8)
        assert torch.equal(one.x_0, other.x_0)
        assert other.x_0.is_contiguous()
        assert torch.equal(one.condition.y, other.condition.y)
    later = feed(use, source, 1, start=5, classes=2, flip=True)
    assert torch.equal(later.next().x_0, batches[5][0].x_0)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[tuple[torch.Tensor, torch.Tensor]]]:
    """(a source of flipped images, what one process without workers makes of it)."""
    source = write_source("packed", tmp_path_factory.mktemp("images"), n=37)
    alone = feed("packed", source, 0, classes=2, flip=True)
    batches = [alone.next() for _ in range(BATCHES)]
    return source, [(b.x_0, b.condition.y) for b in batches]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.sampled_from([1, 2, 4]), workers=st.integers(0, 2), start=st.integers(0, BATCHES - 2))
def test_order_and_flips_ignore_workers_processes_and_where_it_is_resumed(
    images: tuple[str, list[tuple[torch.Tensor, torch.Tensor]]], size: int, workers: int, start: int
) -> None:
    source, expected = images
    feeds = [feed("packed", source, workers, start, rank, size, classes=2, flip=True) for rank in range(size)]
    for x_0, y in expected[start : start + 2]:
        parts = [one.next() for one in feeds]
        assert torch.equal(torch.cat([part.x_0 for part in parts]), x_0)
        assert torch.equal(torch.cat([part.condition.y for part in parts]), y)


def test_flips_are_drawn_for_each_position_anew(images: tuple[str, list[tuple[torch.Tensor, torch.Tensor]]]) -> None:
    plain = feed("packed", images[0], 0, classes=2)
    flipped = [bool((x != unchanged).any()) for x_0, _ in images[1] for x, unchanged in zip(x_0, plain.next().x_0, strict=True)]
    assert 0.25 < sum(flipped) / len(flipped) < 0.75


def test_a_batch_stays_until_the_next_but_one_is_asked_for(tmp_path: Path) -> None:
    two = feed("packed", write_source("packed", tmp_path, n=37), 2)
    before = two.take()["x_0"]
    kept = before.clone()
    two.take()
    assert torch.equal(before, kept)


def test_places_are_used_in_turn() -> None:
    ring = Ring(4, (2, 3, 5, 1))
    for number in range(3):
        ring.place(number)[:] = number + 1
    assert [int(ring.batch(number).unique()) for number in (0, 1, 2, 4 + SPARE)] == [1, 2, 3, 1]
    assert ring.batch(0).shape == (2, 1, 3, 5)
    assert ring.batch(0).is_shared()


def test_a_file_that_breaks_during_training_is_named_without_a_traceback(tmp_path: Path) -> None:
    source = write_source("image-folder", tmp_path, n=37)
    made = feed("image-folder", source, 0)
    for path in Path(source).rglob("*.png"):
        path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(GentoolError) as caught:
        list(iter(made.take, None))
    assert str(caught.value).startswith(source)
    assert "Traceback" not in str(caught.value)
    assert "cannot be decoded" in str(caught.value)
    batch = np.arange(4), np.arange(4), 0  # what a worker would send, which the loader does not wrap
    assert Items(made.loader._dataset.source, 0, Ring(1, (4, 8, 8, 3))).__getitems__(batch).startswith(source)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.filterwarnings("ignore:.*is passed over")
def test_or_gives_way_to_the_next_one(tmp_path: Path, workers: int) -> None:
    source = write_source("image-folder", tmp_path, n=6)
    made = feed("image-folder", source, workers, on_error="skip")
    shutil.copy(f"{source}/class1/00001.png", f"{source}/class0/00004.png")
    (Path(source) / "class0" / "00002.png").write_bytes(b"no image")
    assert all(bool(made.next().x_0.isfinite().all()) for _ in range(4))


def test_bytes_become_the_data_range_in_plain_order() -> None:
    x = torch.arange(24, dtype=torch.uint8).reshape(1, 2, 4, 3).permute(0, 3, 1, 2)
    y = to_data_range(x, torch.float64)
    assert y.is_contiguous()
    assert torch.equal(y, x.double() / 127.5 - 1)
