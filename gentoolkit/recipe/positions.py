"""Where things stand in a TOML text: dotted keys mapped to lines and columns.

`tomllib` parses but forgets positions, so this scanner walks the same text once and only notes where keys stand. It
never judges: on text that is not TOML it stops and returns what it has, and `tomllib` says what is wrong.

    scan('[model]\\nwidth = 3')[("model", "width")]     # Position(line=2, start=0, end=5, comment="")
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from bisect import bisect_right

from attrs import frozen

Keys = tuple[str, ...]
"""A dotted key, in parts."""

DEEPEST = 32
"""Nesting beyond this is refused: no recipe needs it, and recursive parsers must not be driven to their limits."""

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_MANY_BASIC = re.compile(r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"{3,5}', re.DOTALL)
_MANY_LITERAL = re.compile(r"'''[^']*(?:'(?!'')[^']*)*'{3,5}")
_SCALAR = re.compile(r"[^\s,\]}#\[{\"'=][^,\]}#\n]*")
_COMMENT = re.compile(r"[ \t]*#[ \t]*([^\n]*)")


@frozen
class Position:
    """Where a key or a table header stands: `line` counts from 1, columns `start` to `end` from 0."""

    line: int
    start: int
    end: int
    comment: str = ""
    """The comment behind a value, on the line where the value ends."""


class TooDeep(ValueError):
    """Keys or values are nested deeper than `DEEPEST`."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested deeper than {DEEPEST} levels")
        self.line = line


class _Lost(Exception):
    """The text is not TOML from here on."""


def scan(text: str) -> dict[Keys, Position]:
    """Positions of all keys and tables of a TOML text, those implied by dotted keys included.

    Raises:
        TooDeep: nesting beyond `DEEPEST`.
    """
    scanner = _Scanner(text)
    with contextlib.suppress(_Lost):
        scanner.document()
    return scanner.found


def split_key(text: str) -> Keys | None:
    """The parts of a dotted key such as `model."a b".width`, or None if it is not one.

    Raises:
        TooDeep: more than `DEEPEST` parts.
    """
    scanner = _Scanner(text)
    try:
        keys = scanner.key()
    except _Lost:
        return None
    return keys if scanner.at == len(text) else None


def join_key(keys: Keys) -> str:
    """The dotted key as a recipe writes it, quoted where it must be."""
    return ".".join(k if _BARE.fullmatch(k) else quoted(k) for k in keys)


_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', lambda m: _SHORT_ESCAPES.get(m[0], f"\\u{ord(m[0]):04x}"), text) + '"'


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self.found: dict[Keys, Position] = {}

    def document(self) -> None:
        table: Keys = ()
        while True:
            self.take(_GAP)
            start = self.at
            if start == len(self.text):
                return
            if self.text[start] == "[":
                brackets = "[[" if self.text.startswith("[[", start) else "["
                self.at += len(brackets)
                self.take(_BLANK)
                table = self.key()
                self.expect("]" * len(brackets))
                self.note(table, start)
            else:
                self.entry(table, 0, last=True)

    def entry(self, table: Keys, depth: int, last: bool = False) -> None:
        start = self.at
        keys = table + self.key()
        end = self.at
        self.expect("=")
        self.take(_BLANK)
        self.value(keys, depth + 1)
        comment = _COMMENT.match(self.text, self.at) if last else None
        self.note(keys, start, end, comment[1].strip() if comment else "")

    def value(self, keys: Keys | None, depth: int) -> None:
        """Skip a value; `keys` is where an inline table's keys hang, None inside arrays, whose items have no keys."""
        if depth + len(keys or ()) > DEEPEST:
            raise TooDeep(self.line(self.at))
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self.at += 1
            while not self.closed("]"):
                self.value(None, depth + 1)
                self.comma("]")
        elif opening == "{":
            self.at += 1
            while not self.closed("}"):
                if keys is None:
                    self.key()
                    self.expect("=")
                    self.take(_BLANK)
                    self.value(None, depth + 1)
                else:
                    self.entry(keys, depth)
                self.comma("}")
        elif opening == '"':
            self.take(_MANY_BASIC if self.text.startswith('"""', self.at) else _BASIC)
        elif opening == "'":
            self.take(_MANY_LITERAL if self.text.startswith("'''", self.at) else _LITERAL)
        else:
            self.take(_SCALAR)

    def key(self) -> Keys:
        parts: list[str] = []
        while True:
            opening = self.text[self.at : self.at + 1]
            part = self.take(_BASIC if opening == '"' else _LITERAL if opening == "'" else _BARE)
            end = self.at
            parts.append(_unquoted(part))
            if len(parts) > DEEPEST:
                raise TooDeep(self.line(self.at))
            self.take(_BLANK)
            if not self.text.startswith(".", self.at):
                self.at = end
                return tuple(parts)
            self.at += 1
            self.take(_BLANK)

    def closed(self, bracket: str) -> bool:
        self.take(_GAP)
        if self.text.startswith(bracket, self.at):
            self.at += 1
            return True
        return False

    def comma(self, bracket: str) -> None:
        self.take(_GAP)
        if self.text.startswith(",", self.at):
            self.at += 1
        elif not self.text.startswith(bracket, self.at):
            raise _Lost

    def expect(self, sign: str) -> None:
        self.take(_BLANK)
        if not self.text.startswith(sign, self.at):
            raise _Lost
        self.at += len(sign)

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _Lost
        self.at = match.end()
        return match[0]

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def note(self, keys: Keys, start: int, end: int | None = None, comment: str = "") -> None:
        line = self.line(start)
        zero = self.starts[line - 1]
        here = Position(line, start - zero, (end or self.at) - zero, comment)
        for n in range(1, len(keys)):
            self.found.setdefault(keys[:n], here)
        self.found[keys] = here


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    if part[0] == "'":
        return part[1:-1]
    try:
        return str(next(iter(tomllib.loads(f"{part} = 0"))))
    except ValueError:
        raise _Lost from None
