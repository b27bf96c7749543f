"""Walking a tar archive header by header (POSIX ustar and pax, GNU's long names), in bounded memory.

    header   512 bytes: name at 0, size at 124, checksum at 148, kind at 156, "ustar" at 257, what goes before the name at 345
    then     size bytes of content, filled up to a multiple of 512

Numbers are octal text, or big-endian with the highest bit set. Two empty headers end the archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from gentoolkit.registry import GentoolError

BLOCK = 512
LONGEST = 2**20
"""Bytes of a pax header or a long name."""
FILE, LINKS = (b"\0", b"0", b"7"), (b"1", b"2")
PAX, GLOBAL_PAX, LONG_NAME, LONG_LINK = b"x", b"g", b"L", b"K"


@frozen
class TarMember:
    """A member that has content or is a link."""

    name: str
    offset: int
    """Of the content's first byte."""
    size: int
    link: bool
    """Whether it is a link instead of a file."""


def walk(read: Callable[[int, int], bytes], end: int, where: str) -> Iterator[TarMember]:
    """Files and links of an archive in their order. `read(offset, length)` is asked for rising offsets; none beyond `end`.

    Raises:
        GentoolError: it is no tar archive, is damaged, or ends before a member does.
    """
    at, name, size, known = 0, None, None, ""
    while True:
        header = read(at, BLOCK)
        if at == 0 and len(header) < BLOCK:
            raise GentoolError(f"{where} is no tar archive: it has {len(header)} bytes")
        if not header:
            raise GentoolError(f"{where} is cut off: it has no end mark after {known!r}; fetch or copy it again")
        if not header.strip(b"\0"):
            return
        if len(header) < BLOCK:
            raise GentoolError(f"{where} is cut off within the header at byte {at}; fetch or copy it again")
        _judge(header, at, where)
        length, kind = _number(header[124:136], at, where), header[156:157]
        plain = kind in FILE
        if plain and size is not None:
            length = size
        start, at = at + BLOCK, at + BLOCK + -(-length // BLOCK) * BLOCK
        known = name or _name(header)
        if start + length > end:
            raise GentoolError(f"{where} is cut off: it ends within {known!r} ({start + length} of {end} bytes)")
        if kind in (PAX, GLOBAL_PAX, LONG_NAME, LONG_LINK):
            if length > LONGEST:
                raise GentoolError(f"{where} has a header of {length} bytes at byte {start}; at most {LONGEST} are read")
            body = read(start, length)
            if kind == LONG_NAME:
                name = body.rstrip(b"\0").decode("utf-8", "backslashreplace")
            elif kind == PAX:
                name, size = _pax(body, start, where, name, size)
            continue
        if plain or kind in LINKS:
            yield TarMember(known, start, length, not plain)
        name = size = None


def _judge(header: bytes, at: int, where: str) -> None:
    said = header[148:156].strip(b" \0")
    honest = sum(header[:148]) + 8 * 32 + sum(header[156:])
    if not said.isdigit() or any(c in b"89" for c in said) or int(said, 8) != honest:
        what = "is no tar archive" if at == 0 else f"is damaged at byte {at}"
        packed = (
            header[:2] == b"\x1f\x8b"
            or header[:3] == b"BZh"
            or header[:6] == b"\xfd7zXZ\0"
            or header[:4] == b"\x28\xb5\x2f\xfd"
        )
        hint = (
            "; it is compressed, and members are read by their offset: unpack it first (gunzip and the like)" if packed else ""
        )
        raise GentoolError(f"{where} {what}{hint}")


def _number(field: bytes, at: int, where: str) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if any(c not in b"01234567" for c in text):
        raise GentoolError(f"{where} is damaged at byte {at}: a size is no number")
    return int(text or b"0", 8)


def _name(header: bytes) -> str:
    name, prefix = header[:100].partition(b"\0")[0], header[345:500].partition(b"\0")[0]
    whole = prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name
    return whole.decode("utf-8", "backslashreplace")


def _pax(body: bytes, at: int, where: str, name: str | None, size: int | None) -> tuple[str | None, int | None]:
    """Name and size out of the records `length key=value`."""
    while body:
        said, _, _ = body[:24].partition(b" ")
        length = int(said) if said.isdigit() else 0
        if not len(said) < length <= len(body):
            raise GentoolError(f"{where} is damaged: the header at byte {at} has a record of no length")
        key, _, value = body[len(said) + 1 : length].removesuffix(b"\n").partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "backslashreplace")
        elif key == b"size":
            if not value.isdigit() or len(value) > 18:
                raise GentoolError(f"{where} is damaged: the header at byte {at} has a size that is no number")
            size = int(value)
        elif key.startswith(b"GNU.sparse"):
            raise GentoolError(f"{where} has a sparse member, which is not read")
        body = body[length:]
    return name, size
