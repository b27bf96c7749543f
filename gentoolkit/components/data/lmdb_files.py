"""The images of an LMDB, in either of two layouts.

    encoded   any key -> an image file          LSUN's; in the order of the keys
    raw       "0".."n-1" -> H·W·3 bytes         CelebA-HQ's as it is used with NVAE and DDGAN; in the order of the numbers

Nothing is written, no lock is taken. LMDB maps the file into memory and trusts it, so what can be judged is judged first: its
magic number, and that it is as long as its newest page says.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .containers import Content
from .decoding import UnusableError
from .located import is_url, local_file
from .members import LARGEST, MOST

DATA = "data.mdb"
MAGIC = b"\xde\xc0\xef\xbe"
FORMATS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM")


class LmdbFiles:
    """Images in an LMDB; it knows of no classes.

    Raises:
        GentoolError: it is not there, damaged, or in neither layout; or lmdb is not installed.
    """

    use = "image-lmdb"

    def __init__(self, source: str) -> None:
        self.source = source
        self.refused: list[tuple[str, str]] = []
        self._path = find(source)
        self._opened: Opened | None = None
        judge(self._path, source)
        with self._reading(buffers=True) as view:
            found = [(bytes(key), len(value)) for key, value in view.cursor()]
        if len(found) > MOST:
            raise GentoolError(f"{source} has {len(found)} entries; at most {MOST} are read")
        found = [pair for pair in found if pair[0] not in (b"__len__", b"__keys__", b"length")]
        self.side = self._raw_side(dict(found))
        if self.side is not None:
            found.sort(key=lambda pair: int(pair[0]))
        self._keys = [key for key, _ in found]
        self._lengths = [length for _, length in found]
        self.names = [key.decode("utf-8", "backslashreplace") for key in self._keys]

    def where(self, name: str) -> str:
        """An entry in a message: the LMDB and its key."""
        return f"{self.source}: {name}"

    def read(self, i: int) -> Content:
        """Entry i: an image file's bytes, or pixels."""
        if self._lengths[i] > LARGEST:
            raise UnusableError(f"is larger than {LARGEST} bytes")
        try:
            with self._reading() as view:
                value = view.get(self._keys[i])
        except Exception as error:  # lmdb's own errors, on a file that changed or is damaged
            raise UnusableError(f"cannot be read: {error}") from error
        if value is None:
            raise UnusableError("is no longer there")
        if self.side is None:
            return bytes(value)
        if len(value) != self.side**2 * 3:
            raise UnusableError(f"has {len(value)} bytes, not those of {self.side}x{self.side} pixels")
        return np.frombuffer(value, np.uint8).reshape(self.side, self.side, 3)

    def marks(self) -> Iterator[bytes]:
        """The entries' lengths."""
        for length in self._lengths:
            yield b"%d" % length

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """None."""
        raise GentoolError(f"{self.source} has no classes; write classes = 0 in [data]")

    def _reading(self, buffers: bool = False) -> Any:
        """A transaction for reading."""
        if self._opened is None:
            self._opened = environment(self._path, self.source)
        return self._opened.env.begin(buffers=buffers)

    def _raw_side(self, found: dict[bytes, int]) -> int | None:
        """The side of raw pixels, if every key is a number below n and every value as long as square pixels of one size."""
        lengths = set(found.values())
        if len(lengths) != 1 or any(not k.isdigit() or int(k) >= len(found) or str(int(k)).encode() != k for k in found):
            return None
        side = math.isqrt(lengths.pop() // 3)
        if side < 1 or {side * side * 3} != set(found.values()):
            return None
        with self._reading() as view:
            first = bytes(view.get(b"0")[:4])
        return side if len(found) > 1 or not first.startswith(FORMATS) else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


class Opened:
    """An environment, closed when nobody uses it any more. Without a lock and a reader table it may cross a fork."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __del__(self) -> None:
        self.env.close()


_OPEN: WeakValueDictionary[str, Opened] = WeakValueDictionary()


def environment(path: str, source: str) -> Opened:
    """The environment of a data file; LMDB allows one to a process.

    Raises:
        GentoolError: it cannot be opened, or lmdb is not installed.
    """
    key = os.path.realpath(path)
    opened = _OPEN.get(key)
    if opened is None:
        try:
            import lmdb
        except ImportError as error:
            raise GentoolError('an LMDB needs the package lmdb: pip install "gentoolkit[data]"') from error
        options: dict[str, Any] = {"readonly": True, "lock": False, "readahead": False, "meminit": False, "max_readers": 1}
        try:
            opened = _OPEN[key] = Opened(lmdb.open(path, subdir=False, **options))
        except Exception as error:  # lmdb's own errors
            raise GentoolError(f"{source} cannot be opened as an LMDB: {error}") from error
    return opened


def find(source: str) -> str:
    """The local path of the data file: the source, or `data.mdb` in it.

    Raises:
        GentoolError: there is none.
    """
    if is_url(source):
        return local_file(source if source.endswith(".mdb") else f"{source.rstrip('/')}/{DATA}")
    if os.path.isdir(source):
        inside = str(Path(source) / DATA)
        if not os.path.isfile(inside):
            raise GentoolError(f"{source} is no LMDB: it has no {DATA}; write the folder of that file as source in [data]")
        return inside
    return local_file(source)


def judge(path: str, source: str) -> None:
    """Refuse what is no LMDB, and one that is shorter than it says.

    Raises:
        GentoolError: it is not to be mapped into memory.
    """
    with open(path, "rb") as file:
        metas = [file.read(4096)]
        page = int.from_bytes(metas[0][40:44], "little") if len(metas[0]) >= 152 else 0
        if page not in (1 << k for k in range(9, 17)) or metas[0][16:20] != MAGIC:
            raise GentoolError(f"{source} is no LMDB of this kind of machine: it does not start with the page of one")
        file.seek(page)
        metas.append(file.read(152))
        size = file.seek(0, os.SEEK_END)
    if len(metas[1]) < 152 or metas[1][16:20] != MAGIC:
        raise GentoolError(f"{source} is damaged: its second page is not that of an LMDB")
    newest = max(metas, key=lambda m: int.from_bytes(m[144:152], "little"))
    pages = int.from_bytes(newest[136:144], "little") + 1
    if pages * page > size:
        raise GentoolError(f"{source} is cut off: it has {size} of {pages * page} bytes; fetch or copy it again")
