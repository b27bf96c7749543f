"""Which checkpoints are kept: the newest, those at round steps, and those that somebody protects; the rest is deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from .checkpoints import COMMIT, Checkpoint, committed, found
from .store import Store


def outdated(
    counted: Sequence[Checkpoint], everything: Sequence[Checkpoint], keep: int, every: int | None, protected: Collection[int]
) -> list[Checkpoint]:
    """What is to be deleted of `everything`.

    Args:
        counted: checkpoints that count, newest first.
        everything: these, and what was never committed or is damaged.
        keep: how many of the newest stay.
        every: those at multiples of this step stay for ever.
        protected: steps that stay, too.
    """
    newest = counted[:keep]
    if not newest:
        return []
    kept = {c.name for c in newest}
    kept |= {c.name for c in counted if c.step in protected or (every and c.step % every == 0)}
    # What is newer than the oldest of the newest and not committed may be under way.
    return [c for c in everything if c.name not in kept and c.step <= newest[-1].step]


def prune(place: str | Path | Store, keep: int, every: int | None = None, protected: Collection[int] = ()) -> list[Checkpoint]:
    """Delete the checkpoints that are outdated, and whatever older was never committed; returns them."""
    store = Store.at(place)
    going = outdated(committed(store), found(store), keep, every, protected)
    for checkpoint in going:
        delete(checkpoint)
    return going


def delete(checkpoint: Checkpoint) -> None:
    """Delete a checkpoint, its commit first, so that a half-deleted folder never counts."""
    checkpoint.store.remove(f"{checkpoint.name}/{COMMIT}")
    checkpoint.store.remove_folder(checkpoint.name)
