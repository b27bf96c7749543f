"""The images of a zip archive by their offsets: the directory at its end is read once, a member when it is asked for.

directory   name, method, sizes, checksum, offset of the local header
local       50 4b 03 04 | 22 bytes | name length 2 | extra length 2 | name | extra | packed bytes
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .at_offset import FileAt
from .class_labels import TABLE, labels_by_folder, labels_by_table
from .decoding import UnusableError
from .members import FREE, LARGEST_TABLE, MOST, RATIO, is_image, name_trouble, size_trouble, whole

LOCAL = 30
EXTRA = 64
"""Bytes that the extra field of a local header may take before a second read is needed."""


@frozen
class Member:
    """One line of the directory."""

    name: str
    offset: int
    packed: int
    unpacked: int
    checksum: int
    deflated: bool
    name_bytes: int


class ZipFiles:
    """Images in a zip archive; classes by its `dataset.json` (StyleGAN's layout), else by first-level folder.

    Raises:
        GentoolError: the archive is damaged, or says that it unpacks to more than it honestly can.
    """

    use = "image-zip"

    def __init__(self, source: str, path: str) -> None:
        self.source = source
        self.refused: list[tuple[str, str]] = []
        self._members: list[Member] = []
        self._table: Member | None = None
        self._file = FileAt(path)
        for info in directory(path, source):
            if info.is_dir():
                continue
            if info.filename == TABLE:
                if trouble := _trouble(info, LARGEST_TABLE):
                    raise GentoolError(f"{self.where(TABLE)} {trouble}")
                self._table = member_of(info)
            elif is_image(info.filename):
                if trouble := _trouble(info):
                    self.refused.append((info.filename, trouble))
                else:
                    self._members.append(member_of(info))
        self._members.sort(key=lambda m: m.name)
        self.names = [m.name for m in self._members]

    def where(self, name: str) -> str:
        """A member in a message: the archive and its name."""
        return f"{self.source}: {name}"

    def read(self, i: int) -> bytes:
        """The bytes of member i, unpacked and checked."""
        return read_member(self._file, self._members[i])

    def marks(self) -> Iterator[bytes]:
        """The members' sizes and checksums."""
        for m in self._members:
            yield b"%d %d" % (m.unpacked, m.checksum)

    def labels(self, classes: int | None) -> NDArray[np.int64]:
        """Classes by table or folder."""
        if self._table is None:
            return labels_by_folder(self.names, classes, self.source)
        try:
            text = read_member(self._file, self._table)
        except UnusableError as error:
            raise GentoolError(f"{self.where(TABLE)} {error}") from error
        return labels_by_table(text, self.names, classes, self.source)


def directory(path: str, source: str) -> list[zipfile.ZipInfo]:
    """All lines of an archive's directory.

    Raises:
        GentoolError: it is no zip archive, is damaged, or its members claim more room than it has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
            room = archive.fp.seek(0, 2)  # type: ignore[union-attr]
    except Exception as error:  # zipfile raises nearly anything on damaged bytes
        raise GentoolError(f"{source} cannot be read as a zip archive: {error or type(error).__name__}") from error
    if len(found) > MOST:
        raise GentoolError(f"{source} has {len(found)} members; at most {MOST} are read")
    packed, unpacked = sum(i.compress_size for i in found), sum(i.file_size for i in found)
    if packed > room:
        raise GentoolError(f"{source} has {room} bytes, but its members claim {packed}: they overlap; it is not read")
    if unpacked > FREE + RATIO * room:
        raise GentoolError(f"{source} would unpack to {unpacked} bytes, more than {RATIO} times its size; it is not read")
    return found


def read_member(file: FileAt, member: Member) -> bytes:
    """A member's bytes, unpacked and checked.

    Raises:
        UnusableError: it is cut off, damaged, or not what the directory says.
    """
    guess = LOCAL + member.name_bytes
    head = file.read(member.offset, guess + EXTRA + member.packed)
    start = _content(head, member)
    packed = head[start : start + member.packed]
    if len(packed) < member.packed:
        packed = file.read(member.offset + start, member.packed)
    packed = whole(packed, member.packed)
    if not member.deflated:
        content = packed
    else:
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpack.decompress(packed, member.unpacked + 1)
        except zlib.error as error:
            raise UnusableError(f"cannot be unpacked: {error}") from error
    if len(content) != member.unpacked:
        more = "more" if len(content) > member.unpacked else "fewer"
        raise UnusableError(f"unpacks to {more} than the {member.unpacked} bytes that the archive's directory says")
    if zlib.crc32(content) != member.checksum:
        raise UnusableError("is damaged: its checksum is not that of the archive's directory")
    return content


def local_start(file: FileAt, member: Member) -> int:
    """The offset of a member's first byte.

    Raises:
        UnusableError: there is no such member where the directory says.
    """
    return member.offset + _content(file.read(member.offset, LOCAL), member)


def _content(head: bytes, member: Member) -> int:
    """How far behind a local header its content starts."""
    if len(head) < LOCAL or head[:4] != b"PK\3\4":
        raise UnusableError("has no header where the archive's directory says; the archive is damaged or cut off")
    name_length, extra_length = struct.unpack_from("<HH", head, 26)
    if name_length != member.name_bytes:
        raise UnusableError("has another name in its header than in the archive's directory")
    return LOCAL + int(name_length) + int(extra_length)


def member_of(info: zipfile.ZipInfo) -> Member:
    """A line of the directory as it is kept."""
    name_bytes = len(info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"))
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return Member(info.filename, info.header_offset, info.compress_size, info.file_size, info.CRC, deflated, name_bytes)


def _trouble(info: zipfile.ZipInfo, largest: int | None = None) -> str | None:
    if trouble := name_trouble(info.filename) or name_trouble(info.orig_filename):
        return trouble
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link; put the file itself into the archive"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}; only stored and deflated members are read"
    if info.header_offset < 0:
        return "has a negative offset"
    sizes = (info.file_size, info.compress_size)
    return size_trouble(*sizes) if largest is None else size_trouble(*sizes, largest)
