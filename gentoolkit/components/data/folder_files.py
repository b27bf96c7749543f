"""The files of an image folder: found once, in sorted order, decoded when asked for.

A file that cannot be used has a name and a reason: it stops the run, or the next file in order takes its place.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .decoding import SUFFIXES, Decoding, UnusableError, decode

TRIES = 100
"""Files in a row that may be unusable before the folder is given up."""
LOOKED_AT = 16
"""Files that are decoded when the folder is opened, spread over it."""


class FolderSet:
    """Images of a folder, `x_0` uint8 `[C, H, W]`, with `y` the number of the first-level subfolder if `classes` > 0.

    Raises:
        GentoolError: there is no such folder, no image in it, another number of subfolders than `classes`, or (with
            `skip` false) a file cannot be used.
    """

    def __init__(self, source: str, classes: int, decoding: Decoding, skip: bool) -> None:
        self.root = Path(source).resolve()
        self.decoding, self.skip = decoding, skip
        self.bad: dict[str, str] = {}
        """Why files were passed over, by name; what this process has met so far."""
        if not self.root.is_dir():
            raise GentoolError(f"{source} is no folder; write the folder of the images as source in [data]")
        self.names = self._find()
        if not self.names:
            raise GentoolError(f"{source} holds no image ({', '.join(SUFFIXES)}), in its subfolders neither")
        self._labels = self._classes(classes) if classes else None
        for i in np.unique(np.linspace(0, len(self) - 1, LOOKED_AT).astype(int)):
            self[int(i)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> dict[str, Any]:
        for j in range(i, i + min(TRIES, len(self))):
            j %= len(self)
            try:
                pixels = decode(self.root / self.names[j], self.decoding)
            except UnusableError as error:
                self._pass_over(self.names[j], str(error))
                continue
            item: dict[str, Any] = {"x_0": torch.from_numpy(pixels)}
            if self._labels is not None:
                item["y"] = int(self._labels[j])
            return item
        tried = min(TRIES, len(self))
        raise GentoolError(f"{self.root}: {tried} files in a row cannot be used, {self.names[i]} the first of them")

    def labels(self) -> NDArray[np.int64] | None:
        """The class of every file, `[n]`; None without classes."""
        return self._labels

    def label_counts(self) -> NDArray[np.int64]:
        """Files of each class, of a folder that is read with classes."""
        assert self._labels is not None
        return np.bincount(self._labels)

    def fingerprint(self) -> str:
        """sha256 of names, file sizes and how they are decoded; files are not read."""
        digest = hashlib.sha256(f"{self.decoding} {self._labels is not None}".encode())
        for name in self.names:
            digest.update(os.fsencode(name) + f"\0{(self.root / name).stat().st_size}\0".encode())
        return digest.hexdigest()

    def _find(self) -> list[str]:
        found = []
        for folder, subfolders, files in os.walk(self.root, onerror=_unreadable, followlinks=False):
            linked = [s for s in subfolders if (Path(folder) / s).is_symlink()]
            for name in linked + [f for f in files if f.lower().endswith(SUFFIXES)]:
                path = Path(folder) / name
                inside = path.relative_to(self.root).as_posix()
                if path.is_symlink() and not path.resolve().is_relative_to(self.root):
                    self._pass_over(inside, "is a link out of the folder; copy the file, or name its folder as source")
                elif name in linked:
                    continue
                elif not path.is_file():
                    self._pass_over(inside, "is no ordinary file")
                else:
                    found.append(inside)
        return sorted(found)

    def _classes(self, wanted: int) -> NDArray[np.int64]:
        loose = next((n for n in self.names if "/" not in n), None)
        if loose is not None:
            raise GentoolError(
                f"{self.root / loose} lies in no subfolder, so it has no class; write classes = 0 in [data], or move it"
            )
        names = [n.partition("/")[0] for n in self.names]
        known = sorted(set(names))
        if len(known) != wanted:
            few = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise GentoolError(
                f"{self.root} has {len(known)} subfolders of images ({few}); write classes = {len(known)} in [data]"
            )
        number = {name: k for k, name in enumerate(known)}
        return np.array([number[n] for n in names], dtype=np.int64)

    def _pass_over(self, name: str, reason: str) -> None:
        if not self.skip:
            raise GentoolError(f'{self.root / name} {reason}\nor write on_error = "skip" in [data] to pass over such files')
        if name not in self.bad:
            self.bad[name] = reason
            warnings.warn(f"{self.root / name} is passed over: it {reason} ({len(self.bad)} so far)", stacklevel=2)


def _unreadable(error: OSError) -> None:
    raise GentoolError(f"the folder {error.filename} cannot be read: {error.strerror}") from error
