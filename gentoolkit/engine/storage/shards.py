"""The files of torch.distributed.checkpoint in a store: each is summed while it is written, by the process that writes it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from torch.distributed.checkpoint.filesystem import FileSystemBase, FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta

from . import faults
from .index import read_index
from .store import Store

INDEX = ".metadata"
"""Torch's name for what says where each tensor lies."""


class Summed:
    """A stream that knows the size and sha256 of what went through it."""

    def __init__(self, stream: IO[bytes], middle: faults.Instant) -> None:
        self.stream, self.middle = stream, middle
        self.size, self.sha256 = 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        """Write and sum."""
        self.sha256.update(data)
        self.size += memoryview(data).nbytes
        written = self.stream.write(data)
        self.middle()
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Files(FileSystemBase):
    """What torch asks of a file system, over a store; `written` holds size and sha256 of every file, by path."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.written: dict[str, dict[str, Any]] = {}

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[Any]:
        """A file to read or to write."""
        path = os.fspath(path)
        if mode == "rb":
            with self.store.open(path, mode) as stream:
                yield stream
            return
        with faults.point("shard") as middle, self.store.open(path, mode) as stream:
            summed = Summed(stream, middle)
            yield summed
            self.written[path] = {"size": summed.size, "sha256": summed.sha256.hexdigest()}

    def concat_path(self, path: str | os.PathLike[str], suffix: str) -> str:
        """A file in a folder."""
        return f"{os.fspath(path)}/{suffix}"

    def init_path(self, path: str | os.PathLike[str]) -> str:
        """Nothing is to be prepared."""
        return os.fspath(path)

    def rename(self, path: str | os.PathLike[str], new_path: str | os.PathLike[str]) -> None:
        """Another name, with the same sum."""
        self.store.rename(os.fspath(path), os.fspath(new_path))
        self.written[os.fspath(new_path)] = self.written.pop(os.fspath(path))

    def mkdir(self, path: str | os.PathLike[str]) -> None:
        """Nothing: the folder was made by the first process, which chose its name."""

    def exists(self, path: str | os.PathLike[str]) -> bool:
        """Whether there is such a file."""
        return self.store.has(os.fspath(path))

    def rm_file(self, path: str | os.PathLike[str]) -> None:
        """Delete a file."""
        self.store.remove(os.fspath(path))

    def ls(self, path: str | os.PathLike[str]) -> list[str]:
        """The files of a folder."""
        return [f"{os.fspath(path)}/{name}" for name in self.store.files(os.fspath(path))]

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Names are made by the engine alone."""
        return True


class Writer(FileSystemWriter):
    """Torch's writer, into the folder `name` of a store."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(name, sync_files=store.local is not None)
        self.files = Files(store)
        self.fs, self.path = self.files, cast(Any, name)


class Reader(FileSystemReader):
    """Torch's reader, of the folder `name` of a store."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__(name)
        self.fs, self.path = Files(store), cast(Any, name)

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Where each tensor lies; torch's own way of reading it would run what a pickle asks for.

        Raises:
            RefusedError: it is no index.
        """
        with self.fs.create_stream(self.fs.concat_path(self.path, INDEX), "rb") as stream:
            found = read_index(stream)
        if found.storage_meta is None:
            found.storage_meta = StorageMeta()
        found.storage_meta.load_id = self.load_id
        return found
