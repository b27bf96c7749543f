"""Packed sets: decoded images of one size in a zip archive of arrays, each image a range of bytes.

    pack.json     {"format": 1, "classes": number or null, "made_from": ..., ...}
    images.npy    uint8 [n, H, W, C]       stored, not deflated
    labels.npy    int64 [n]                if there are classes

`numpy.load` reads it too. Images are read by offset into the batch: nothing is decoded and nothing mapped.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .at_offset import FileAt
from .decoding import UnusableError
from .members import LARGEST, LARGEST_TABLE, size_trouble
from .zip_files import directory, local_start, member_of, read_member

ABOUT, IMAGES, LABELS = "pack.json", "images.npy", "labels.npy"
FORMAT = 1
LONGEST_HEADER = 4096


class PackedFiles:
    """Images `[H, W, C]` in a packed set.

    Raises:
        GentoolError: it is no packed set, of a newer format, damaged or cut off.
    """

    use = "packed"

    def __init__(self, source: str, path: str) -> None:
        self.source = source
        self.refused: list[tuple[str, str]] = []
        members = {info.filename: info for info in directory(path, source)}
        if not {ABOUT, IMAGES} <= members.keys():
            raise GentoolError(f"{source} is no packed set: it has no {ABOUT} and {IMAGES}; `gentool data pack` makes one")
        self._file = FileAt(path)
        self.about = self._read_about(members[ABOUT])
        info = members[IMAGES]
        if info.compress_type or info.file_size != info.compress_size or info.flag_bits & 1:
            raise GentoolError(f"{source}: {IMAGES} is packed; it must be stored as it is")
        self.checksum = info.CRC
        try:
            start = local_start(self._file, member_of(info))
        except UnusableError as error:
            raise GentoolError(f"{source}: {IMAGES} {error}") from error
        self.shape, skipped = array_header(self._file.read(start, LONGEST_HEADER), f"{source}: {IMAGES}")
        self._at, self._each = start + skipped, int(np.prod(self.shape[1:], dtype=object))
        if skipped + self.shape[0] * self._each != info.file_size or start + info.file_size > self._file.size:
            raise GentoolError(f"{source}: {IMAGES} is not as long as its shape {self.shape} says; it is damaged or cut off")
        self._labels = self._read_labels(members[LABELS]) if LABELS in members else None
        self.names = Numbers(range(self.shape[0]))

    def where(self, name: str) -> str:
        """An image in a message: the file and its number."""
        return f"{self.source}: image {name}"

    def read(self, i: int) -> NDArray[np.uint8]:
        """Image i."""
        pixels = np.empty(self.shape[1:], np.uint8)
        if not self.read_into(pixels, i):
            raise UnusableError("is cut off: the file has become shorter")
        return pixels

    def read_into(self, out: NDArray[np.uint8], i: int) -> bool:
        """Image i into contiguous memory; whether it was all there."""
        return self._file.read_into(out.reshape(-1).data, self._at + i * self._each) == self._each

    def marks(self) -> Iterator[bytes]:
        """One: the checksum of all images."""
        yield b"%d %d %d %d %d" % (self.checksum, *self.shape)

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """The classes."""
        if self._labels is None:
            raise GentoolError(f"{self.source} was packed without classes; write classes = 0 in [data]")
        most = int(self._labels.max())
        if self._labels.min() < 0 or (classes is not None and most >= classes):
            raise GentoolError(f"{self.source} has the label {most}; write classes = {most + 1} in [data]")
        return self._labels

    def _read_about(self, info: Any) -> dict[str, Any]:
        text = self._small(info)
        try:
            about = json.loads(text)
            version = about["format"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise GentoolError(f"{self.source}: {ABOUT} cannot be read; the file is damaged") from error
        if version != FORMAT:
            raise GentoolError(f"{self.source} has the format {version!r}, this gentoolkit reads {FORMAT}; pack it again")
        return dict(about)

    def _read_labels(self, info: Any) -> NDArray[np.int64]:
        try:
            labels = npy.read_array(io.BytesIO(self._small(info)), allow_pickle=False)
        except GentoolError:
            raise
        except Exception as error:  # numpy raises several kinds on damaged bytes
            raise GentoolError(f"{self.source}: {LABELS} cannot be read: {error}") from error
        if labels.dtype != np.int64 or labels.shape != self.shape[:1]:
            raise GentoolError(f"{self.source}: {LABELS} is {labels.dtype} {labels.shape}, not int64 ({self.shape[0]},)")
        return np.asarray(labels, np.int64)

    def _small(self, info: Any) -> bytes:
        trouble = size_trouble(info.file_size, info.compress_size, LARGEST_TABLE)
        if trouble is None:
            try:
                return read_member(self._file, member_of(info))
            except UnusableError as error:
                trouble = str(error)
        raise GentoolError(f"{self.source}: {info.filename} {trouble}")


class Numbers(Sequence[str]):
    """The names "0".."n-1", made when asked for."""

    def __init__(self, n: range) -> None:
        self._n = n

    def __len__(self) -> int:
        return len(self._n)

    @overload
    def __getitem__(self, i: int) -> str: ...

    @overload
    def __getitem__(self, i: slice) -> Numbers: ...

    def __getitem__(self, i: int | slice) -> str | Numbers:
        return Numbers(self._n[i]) if isinstance(i, slice) else str(self._n[i])


def array_header(head: bytes, where: str) -> tuple[tuple[int, int, int, int], int]:
    """(shape, length of the header) of an array of images `[n, H, W, C]`.

    Raises:
        GentoolError: it is another array.
    """
    stream = io.BytesIO(head)
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=LONGEST_HEADER)
    except Exception as error:  # numpy raises several kinds on damaged bytes
        raise GentoolError(f"{where} is no NumPy array: {error}") from error
    good = len(shape) == 4 and all(type(n) is int and n > 0 for n in shape) and shape[3] in (1, 3)
    if fortran or dtype != np.uint8 or not good:
        raise GentoolError(f"{where} is {dtype} {shape}, not uint8 [n, H, W, 1 or 3]")
    if shape[1] * shape[2] * shape[3] > LARGEST:
        raise GentoolError(f"{where} has images of {shape[1:]}; at most {LARGEST} bytes are read")
    n, height, width, channels = shape
    return (n, height, width, channels), stream.tell()
