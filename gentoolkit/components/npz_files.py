"""Other people's `.npz` files: arrays of plain numbers by name, judged by their headers before any number is read.

file   a zip archive of members NAME.npy
NAME.npy   93 4e 55 4d 50 59 | version 2 | header length | {'descr': ..., 'fortran_order': ..., 'shape': ...} | numbers

Nothing is unpickled: an array of objects is refused by its header. A member must hold exactly the numbers that its header
names, and no archive may unpack to far more than its own size.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import numpy as np
from attrs import frozen
from numpy.lib import format as npy
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .data.zip_files import directory

HEADER = 4096
"""Characters of a member's header; longer ones are no array of numbers."""
LARGEST = 2**32
"""Bytes of an array that is read at once, 4 GiB."""
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@frozen
class Header:
    """What a member says that it holds."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class NpzFile:
    """The arrays of an `.npz` file; `headers` by name.

    Raises:
        GentoolError: there is no such file, it is damaged, or it holds anything but arrays of numbers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise GentoolError(f"there is no file {path}")
        self.headers: dict[str, Header] = {}
        for info in directory(str(self.path), str(self.path)):
            name = info.filename.removesuffix(".npy")
            if name == info.filename or name in self.headers:
                what = "twice" if name in self.headers else "which is no array"
                raise GentoolError(f"{path} is no .npz file of arrays: it holds {info.filename!r}, {what}")
            self.headers[name] = self._judged(name, info.file_size)

    def read(self, name: str, largest: int = LARGEST) -> NDArray[Any]:
        """A whole array.

        Raises:
            GentoolError: there is none of that name, it is larger than `largest` bytes, or damaged.
        """
        header = self.header(name)
        if header.bytes > largest:
            raise GentoolError(f"{self.path}: {name} has {header.bytes} bytes, more than {largest}; it is not read")
        flat = next(self._pieces(name, header, max(math.prod(header.shape), 1)), np.empty(0, header.dtype))
        return flat.reshape(header.shape, order="F" if header.fortran else "C")

    def rows(self, name: str, n: int) -> Iterator[NDArray[Any]]:
        """An array `[N, ...]` in pieces of `n` rows and a last one of fewer, in order; never more than that in memory.

        Raises:
            GentoolError: there is none of that name, its rows do not lie one after the other, or it is damaged.
        """
        header = self.header(name)
        if header.fortran or not header.shape:
            raise GentoolError(f"{self.path}: the rows of {name} do not lie one after the other; save it in C order")
        row = math.prod(header.shape[1:])
        for piece in self._pieces(name, header, n * row):
            yield piece.reshape(-1, *header.shape[1:])

    def header(self, name: str) -> Header:
        """What is said of one array.

        Raises:
            GentoolError: there is none of that name.
        """
        if name not in self.headers:
            raise GentoolError(f"{self.path} has no array {name!r}; it has {', '.join(sorted(self.headers)) or 'none'}")
        return self.headers[name]

    def _judged(self, name: str, size: int) -> Header:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
                header = _header(file)
                start = file.tell()
        except GentoolError as error:
            raise GentoolError(f"{self.path}: {name} {error}") from error
        except Exception as error:  # zipfile and numpy raise nearly anything on damaged bytes
            raise GentoolError(f"{self.path}: {name} is no array of numbers ({error or type(error).__name__})") from error
        if header.bytes != size - start:
            raise GentoolError(
                f"{self.path}: {name} says that it is {header.shape} of {header.dtype}, which is {header.bytes} bytes, "
                f"but holds {size - start}"
            )
        return header

    def _pieces(self, name: str, header: Header, numbers: int) -> Iterator[NDArray[Any]]:
        """Flat pieces of so many numbers."""
        left = math.prod(header.shape)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
                _header(file)
                while left:
                    n = min(numbers, left)
                    content = file.read(n * header.dtype.itemsize)
                    left -= n
                    if left == 0:
                        file.read(1)  # to the end, where the checksum is compared
                    yield np.frombuffer(bytearray(content), header.dtype, n)
        except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise GentoolError(f"{self.path}: {name} is damaged ({error or type(error).__name__})") from error


def file_sha256(path: str | Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        GentoolError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GentoolError(f"{path} cannot be read: {error.strerror}") from error


def _header(file: IO[bytes]) -> Header:
    """The header at the start of a member; the file is then at its first number."""
    version = npy.read_magic(file)
    if version not in READERS:
        raise GentoolError(f"has the .npy version {version[0]}.{version[1]}, as arrays of plain numbers never have")
    shape, fortran, dtype = READERS[version](file, max_header_size=HEADER)
    if dtype.hasobject:
        raise GentoolError("holds Python objects, which loading would have to run; save it as numbers")
    if dtype.kind not in "biuf":
        raise GentoolError(f"holds {dtype}, no numbers")
    if min(shape, default=0) < 0:
        raise GentoolError(f"has the impossible shape {shape}")
    return Header(tuple(shape), dtype, fortran and len(shape) > 1)
