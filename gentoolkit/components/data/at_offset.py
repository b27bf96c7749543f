"""A file read by offset. No position is kept, so forked workers may share it; spawned ones open it anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gentoolkit.registry import GentoolError


class FileAt:
    """A local file whose bytes are asked for by (offset, length).

    Raises:
        GentoolError: it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.size = os.fstat(self._open()).st_size

    def _open(self) -> int:
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise GentoolError(f"{self.path} cannot be opened: {error.strerror}") from error
        return self._descriptor

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on; fewer only where the file ends."""
        found = os.pread(self._descriptor, length, offset)
        while 0 < len(found) < length:
            more = os.pread(self._descriptor, length - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer of bytes from `offset` on; how many came."""
        done = 0
        while done < len(buffer):
            count = os.preadv(self._descriptor, [buffer[done:]], offset + done)
            if not count:
                break
            done += count
        return done

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)
