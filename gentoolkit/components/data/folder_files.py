"""The files of an image folder: found once, in sorted order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .class_labels import TABLE, labels_by_folder, labels_by_table
from .decoding import SUFFIXES, UnusableError
from .members import LARGEST, LARGEST_TABLE


class FolderFiles:
    """Images in a folder and its subfolders; classes by a `dataset.json` in it, else by first-level subfolder.

    Raises:
        GentoolError: there is no such folder, or a part of it cannot be read.
    """

    use = "image-folder"

    def __init__(self, source: str) -> None:
        self.source = source
        self.root = Path(source).resolve()
        self._inside = f"{self.root}{os.sep}"
        self.refused: list[tuple[str, str]] = []
        if not self.root.is_dir():
            raise GentoolError(f"{source} is no folder; write the folder of the images as source in [data]")
        self.names = self._find()
        if not self.names and not self.refused:
            raise GentoolError(f"{source} holds no image ({', '.join(SUFFIXES)}), in its subfolders neither")

    def where(self, name: str) -> str:
        """A file in a message: its path."""
        return self._inside + name

    def read(self, i: int) -> bytes:
        """The bytes of file i."""
        try:
            with open(self._inside + self.names[i], "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > LARGEST:
                    raise UnusableError(f"is larger than {LARGEST} bytes")
                return file.readall()
        except OSError as error:
            raise UnusableError(f"cannot be read: {error.strerror}") from error

    def marks(self) -> Iterator[bytes]:
        """The files' sizes."""
        for name in self.names:
            yield b"%d" % os.stat(self._inside + name).st_size

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """Classes by table or subfolder."""
        table = self.root / TABLE
        if not table.is_file():
            return labels_by_folder(self.names, classes, str(self.root))
        if table.stat().st_size > LARGEST_TABLE:
            raise GentoolError(f"{table} is larger than {LARGEST_TABLE} bytes")
        return labels_by_table(table.read_bytes(), self.names, classes, str(self.root))

    def _find(self) -> list[str]:
        found = []
        for folder, subfolders, files in os.walk(self.root, onerror=_unreadable, followlinks=False):
            linked = [s for s in subfolders if (Path(folder) / s).is_symlink()]
            for name in linked + [f for f in files if f.lower().endswith(SUFFIXES)]:
                path = Path(folder) / name
                inside = path.relative_to(self.root).as_posix()
                if path.is_symlink() and not path.resolve().is_relative_to(self.root):
                    why = "is a link out of the folder; copy the file, or name its folder as source"
                    self.refused.append((inside, why))
                elif name in linked:
                    continue
                elif not path.is_file():
                    self.refused.append((inside, "is no ordinary file"))
                else:
                    found.append(inside)
        return sorted(found)


def _unreadable(error: OSError) -> None:
    raise GentoolError(f"the folder {error.filename} cannot be read: {error.strerror}") from error
