"""Closing a zip archive around members that lie in a file already, stored as they are (APPNOTE 6.3, with its 64-bit fields).

local header | member | ... | directory | its 64-bit end, the locator of that, its end
"""

from __future__ import annotations

import struct

from attrs import frozen

ZIP64 = 45
DATE = 0x21
"""1 January 1980: the same images make the same archive."""
MANY, FULL = 0xFFFF, 0xFFFFFFFF
PADDING = 0xD935
"""The extra field that others use for alignment."""


@frozen
class Stored:
    """A member: its name, where its local header starts, its length and crc32."""

    name: str
    offset: int
    length: int
    checksum: int

    def local(self, room: int | None = None) -> bytes:
        """The local header; filled up to `room` bytes."""
        extra = struct.pack("<2H2Q", 1, 16, self.length, self.length)
        name = self.name.encode()
        if room is not None:
            padding = room - 30 - len(name) - len(extra) - 4
            extra += struct.pack("<2H", PADDING, padding) + bytes(padding)
        fields = (ZIP64, 0, 0, 0, DATE, self.checksum, FULL, FULL, len(name), len(extra))
        return b"PK\3\4" + struct.pack("<5H3I2H", *fields) + name + extra

    def line(self) -> bytes:
        """Its line of the directory."""
        extra = struct.pack("<2H3Q", 1, 24, self.length, self.length, self.offset)
        name = self.name.encode()
        fields = (ZIP64, ZIP64, 0, 0, 0, DATE, self.checksum, FULL, FULL, len(name), len(extra), 0, 0, 0, 0o644 << 16, FULL)
        return b"PK\1\2" + struct.pack("<6H3I5H2I", *fields) + name + extra


def directory_of(members: list[Stored], at: int) -> bytes:
    """The directory and its ends, to be written at offset `at`."""
    lines = b"".join(m.line() for m in members)
    n, end = len(members), at + len(lines)
    whole = b"PK\6\6" + struct.pack("<Q2H2I4Q", 44, ZIP64, ZIP64, 0, 0, n, n, len(lines), at)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    short = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, MANY, MANY, FULL, FULL, 0)
    return lines + whole + locator + short
