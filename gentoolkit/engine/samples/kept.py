"""What was seen of chunks, on disk until the numbers are there: an evaluation that is killed goes on where it was.

    <folder>/<identity>/000012.npz          arrays of chunk 12, viewer by viewer

A file is there in full or not at all; one that is damaged, or not as it should be, is made again. Nothing is unpickled. Several
processes, which must see the same folder, each write their own chunks.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = dict[str, dict[str, NDArray[Any]]]
"""What was seen of a chunk, by viewer and name."""
MARK, NAMES = ":", "::"


def identity_of(about: Mapping[str, Any]) -> str:
    """A name for everything that a number depends on."""
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Kept:
    """The records of one piece of work.

    Args:
        folder: where such work is kept.
        about: everything that the records depend on; what was kept of anything else is not used.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.above, self.folder = folder, folder / identity_of(about)

    def write(self, number: int, record: Record) -> None:
        """Keep the record of a chunk.

        Raises:
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        viewers = np.array(list(record), dtype=np.str_)
        arrays = {f"{i}{MARK}{name}": v for i, seen in enumerate(record.values()) for name, v in seen.items()}
        unfinished = self.folder / f"{number:06d}.unfinished"
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **{MARK: viewers, NAMES: np.array(list(arrays), dtype=np.str_)}, **arrays)
        unfinished.replace(self._place(number))

    def read(self, number: int) -> Record | None:
        """The record of a chunk; None if it is not there, or not whole (a zip archive has a checksum of every member)."""
        try:
            with np.load(self._place(number), allow_pickle=False) as found:
                record: Record = {str(viewer): {} for viewer in found[MARK]}
                viewers = list(record)
                for key in found[NAMES].tolist():
                    at, _, name = key.partition(MARK)
                    record[viewers[int(at)]][name] = found[key]
                return record
        except Exception:  # a damaged archive's reader may say anything: encrypted, compressed in an unknown way, too large
            return None

    def whole(self, total: int) -> set[int]:
        """Which of the first `total` chunks are there."""
        return {number for number in range(total) if self._place(number).exists() and self.read(number) is not None}

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"

    def drop(self) -> None:
        """Delete them, and the folder of all such work if nothing else is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.above.rmdir()
        except OSError:
            return


def missing(done: set[int], total: int) -> Sequence[int]:
    """The chunks that are still to be made."""
    return [number for number in range(total) if number not in done]
