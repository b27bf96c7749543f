"""Features of the real data: taken once by all processes, kept for every later evaluation of the same data in the same space.

    $GENTOOL_CACHE or ~/.cache/gentoolkit, references/<identity>/      features.npy ..., about.json

The identity covers the data's fingerprint, which includes how images are decoded, the key of the features, and which samples. A
reference that is being made lies beside it in chunks, so that a killed process loses none of them; one that is damaged is made
again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentoolkit.components.features.reference import Reference

from ..feed import unchanged
from ..processes.stopping import Stop, Stopped
from ..processes.world import World
from ..storage.whole import digest
from .kept import Kept, identity_of, missing
from .room import Room
from .sampling import deal

BLOCK = 256
"""Real samples whose features are taken at once."""
ABOUT = "about.json"


def cache() -> Path:
    """Where references are kept."""
    return Path(os.environ.get("GENTOOL_CACHE") or Path.home() / ".cache" / "gentoolkit") / "references"


def reference_of(real: Any, features: Any, n: int | None, world: World, stop: Stop | None = None) -> Reference | None:
    """The features of `n` real samples in a fixed random choice, of all where that is None; at the first process, None at the
    others. Every process calls it.

    Args:
        real: the opened data.
        features: what takes features.
        stop: asked after each block.

    Raises:
        Stopped: a stop was agreed on meanwhile; what was done is kept.
    """
    indices = chosen(len(real), n)
    about = {"data": real.fingerprint(), "features": features.key, "samples": len(indices), "of": len(real), "format": 1}
    key = f"{about['data'][:8]}-{len(indices)}"
    place = cache() / identity_of(about)
    known = world.told(arrays_in(place, about) is not None if world.first else None)
    if not known:
        kept = Kept(place.with_name(place.name + ".part"), about)
        total = -(-len(indices) // BLOCK)
        done = world.told(kept.whole(total) if world.first else None)
        numbers, mine = deal(missing(done, total), world)
        room = Room("measured")
        for at, number in enumerate(numbers):
            if at < mine:
                kept.write(number, {"real": room.looked(features, unchanged(real, part_of(indices, number))["x_0"])})
            if stop is not None and stop.agreed():
                raise Stopped("taking the features of the real data was stopped")
        world.barrier()
        if world.first:
            parts = [
                (kept.read(number) or {"real": room.looked(features, unchanged(real, part_of(indices, number))["x_0"])})["real"]
                for number in range(total)  # one that another machine has kept for itself is made again
            ]
            write({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, place, about)
            kept.drop()
        world.barrier()
    if not world.first:
        return None
    arrays = arrays_in(place, about)
    assert arrays is not None, f"{place} was deleted while it was being read"
    return Reference(key, arrays)


def chosen(size: int, n: int | None) -> NDArray[np.int64]:
    """`n` of `size` indices, in order, always the same; all where that is None or more."""
    if n is None or n >= size:
        return np.arange(size)
    return np.sort(np.random.Generator(np.random.Philox(key=2)).permutation(size)[:n])


def part_of(indices: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    """The indices of a block."""
    return indices[number * BLOCK : (number + 1) * BLOCK]


def write(arrays: Mapping[str, NDArray[np.float32]], place: Path, about: Mapping[str, Any]) -> None:
    """Put a reference where it belongs, whole or not at all; another process may be doing the same."""
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
    for name, rows in arrays.items():
        np.save(made / f"{name}.npy", rows, allow_pickle=False)
    sums = {name: digest(made / f"{name}.npy") for name in arrays}
    (made / ABOUT).write_text(json.dumps({**about, "sha256": sums}, indent=1))
    try:
        made.rename(place)
    except OSError:  # something lies there: a damaged one, or what another process has just made
        if arrays_in(place, about) is None:
            shutil.rmtree(place, ignore_errors=True)
            made.rename(place)
        else:
            shutil.rmtree(made, ignore_errors=True)


def arrays_in(place: Path, about: Mapping[str, Any]) -> dict[str, NDArray[np.float32]] | None:
    """The arrays of a reference, from the disk as they are needed; None if there is none, or it is not what was written."""
    try:
        said = json.loads((place / ABOUT).read_text())
        if {k: said.get(k) for k in about} != dict(about) or not said["sha256"]:
            return None
        if any(digest(place / f"{name}.npy") != sha256 for name, sha256 in said["sha256"].items()):
            return None
        return {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in said["sha256"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
