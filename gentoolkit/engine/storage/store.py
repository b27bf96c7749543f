"""Where checkpoints lie: a folder, or any place that fsspec reaches.

Store("runs/a/checkpoints"), Store("s3://bucket/runs/a"), Store("memory://a")

Everything that is done to a checkpoint goes through these few operations. Names are relative to the place, with `/`. A local
file is written beside its name, synced and renamed; elsewhere a file appears when it is closed, as stores of objects do it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from gentoolkit.registry import GentoolError

from . import faults
from .whole import sync_folder, write_whole

_CREDENTIALS = re.compile(r"://[^/@]*:[^/@]*@")
_CHUNK = 1 << 20


class Store:
    """A place for checkpoints.

    Args:
        place: a path, or a URL of fsspec; credentials come from the environment or fsspec's own configuration.

    Raises:
        GentoolError: nothing here can reach it, or it holds a password.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        if _CREDENTIALS.search(self.place):
            raise GentoolError(
                f"{_CREDENTIALS.sub('://...@', self.place)}: a password in a URL would be written into run folders; give it by "
                "the environment or by fsspec's configuration"
            )
        try:
            self.fs, root = fsspec.core.url_to_fs(self.place)
        except Exception as error:  # an unknown protocol, a missing package, refused credentials
            raise GentoolError(f"checkpoints cannot lie in {self.place}: {error or type(error).__name__}") from error
        self.root = root.rstrip("/")
        self.local = Path(self.root) if isinstance(self.fs, LocalFileSystem) else None

    @classmethod
    def at(cls, place: str | Path | Store) -> Store:
        """The store at a place, or the store itself."""
        return place if isinstance(place, Store) else cls(place)

    def __str__(self) -> str:
        return self.place

    @property
    def fleeting(self) -> str:
        """What is to be said of a place that ends with this process; empty for any other."""
        if not isinstance(self.fs, MemoryFileSystem):
            return ""
        return f"checkpoints in {self} are gone when this process ends: nothing can be resumed or sampled from them after that"

    def shown(self, name: str) -> str:
        """How messages name something in it."""
        return f"{self.place.rstrip('/')}/{name}"

    def path(self, name: str) -> str:
        """The file system's own name of something in it."""
        return f"{self.root}/{name}" if name else self.root

    def reach(self) -> None:
        """Make sure that it can be written, before any work is done for it.

        Raises:
            GentoolError: it cannot.
        """
        probe = self.path(".writable")
        try:
            if self.local is not None:
                self.local.mkdir(parents=True, exist_ok=True)
            try:
                self.fs.pipe_file(probe, b"")
            except FileNotFoundError:
                self.fs.mkdir(self.root, create_parents=False)
                self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)
        except Exception as error:  # every file system has errors of its own
            said = getattr(error, "strerror", None) or error or type(error).__name__
            raise GentoolError(f"checkpoints cannot be written to {self.place}: {said}; choose another place") from error

    def folders(self) -> list[str]:
        """Names of the folders directly in it."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.ls(self.root, detail=True)
        except FileNotFoundError:
            return []
        return sorted(f["name"].rstrip("/").rpartition("/")[2] for f in found if f["type"] == "directory")

    def files(self, folder: str) -> dict[str, int]:
        """Sizes of the files directly in a folder, by name."""
        try:
            found = self.fs.ls(self.path(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {f["name"].rpartition("/")[2]: int(f["size"]) for f in found if f["type"] == "file"}

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return bool(self.fs.isfile(self.path(name)))

    def read(self, name: str) -> bytes:
        """What a file holds."""
        found: bytes = self.fs.cat_file(self.path(name))
        return found

    def digest(self, name: str) -> str:
        """sha256 of a file, in hexadecimal."""
        summed = hashlib.sha256()
        with self.open(name, "rb") as file:
            while piece := file.read(_CHUNK):
                summed.update(piece)
        return summed.hexdigest()

    @contextmanager
    def open(self, name: str, mode: str) -> Iterator[IO[bytes]]:
        """A file to read or write; what was begun and failed is taken away."""
        path = self.path(name)
        with self.fs.open(path, mode) as stream:
            try:
                yield stream
            except BaseException:
                if mode != "rb":
                    self._forget(path)
                raise

    def write(self, name: str, text: str) -> None:
        """Write a small file, in full or not at all."""
        if self.local is not None:
            write_whole(self.local / name, text)
            return
        with faults.point(name.rpartition("/")[2]):
            self.fs.pipe_file(self.path(name), text.encode())

    def make(self, folder: str) -> None:
        """Make a new folder."""
        with faults.point("mkdir"):
            if self.local is not None:
                (self.local / folder).mkdir(parents=True)
                sync_folder(self.local)
            else:
                self.fs.mkdir(self.path(folder), create_parents=False)

    def rename(self, name: str, new: str, point: str = "rename") -> None:
        """Give a file another name, in place of what may have it."""
        with faults.point(point):
            if self.local is not None:
                (self.local / name).replace(self.local / new)
            else:
                self.fs.mv(self.path(name), self.path(new))

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        with faults.point("unlink"):
            try:
                self.fs.rm_file(self.path(name))
            except FileNotFoundError:
                return

    def remove_folder(self, folder: str) -> None:
        """Delete a folder with all that is in it, if it is there."""
        with faults.point("rmtree") as middle:
            for name in self.files(folder):
                self._forget(self.path(f"{folder}/{name}"))
                middle()
            if self.local is not None:
                shutil.rmtree(self.local / folder, ignore_errors=True)
            else:
                self._forget(self.path(folder), recursive=True)

    def free(self) -> float | None:
        """MiB that are free there, where that can be known."""
        return None if self.local is None else shutil.disk_usage(self.local).free / 2**20

    def _forget(self, path: str, **how: Any) -> None:
        try:
            self.fs.rm(path, **how)
        except Exception:  # gone already, or a store without folders; what stays has no commit and is tried again
            return
