"""Where a value was written: a line of a file, an argument, Python code, or nowhere (a default)."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import field, frozen

from .positions import Position


@frozen(eq=False)
class Source:
    """One text that values come from."""

    shown: str
    """How messages name it: a path relative to the working folder, or words."""
    folder: Path
    """What its relative paths are relative to."""
    lines: tuple[str, ...] = field(default=(), repr=False)
    numbered: bool = False
    """Whether line numbers mean something to the reader: a file's do, an argument's do not."""
    resolved: bool = False
    """Whether it is a resolved recipe, whose comments say where values first came from."""


@frozen(eq=False)
class Origin:
    """A place in a source; `position` is None for the source as a whole."""

    source: Source
    position: Position | None = None

    def __str__(self) -> str:
        if self.source.resolved and self.position and self.position.comment:
            return self.position.comment
        return self.where

    @property
    def where(self) -> str:
        """`recipes/a.toml:18`, or how the source is called where lines say nothing."""
        return f"{self.source.shown}:{self.position.line}" if self.position and self.source.numbered else self.source.shown

    @property
    def line(self) -> str:
        """The text of the line."""
        if self.position is None or self.position.line > len(self.source.lines):
            return ""
        return self.source.lines[self.position.line - 1]


def shown(path: Path) -> str:
    """A path as messages show it: relative where it lies below the working folder."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return str(path)


def argument(text: str) -> Origin:
    """The origin of an override; what is underlined is its key."""
    key = text.partition("=")[0]
    return Origin(Source(f"argument {text}", Path.cwd(), (text,)), Position(1, 0, len(key)))


def words(text: str) -> Origin:
    """An origin that has no text to show: `default`, `given in Python`."""
    return Origin(Source(text, Path.cwd()))


def anchored(path: str, folder: Path) -> str:
    """`path` made absolute against `folder`; URLs, empty and absolute paths stay as they are."""
    if not path or "://" in path or path.startswith("simplecache::"):
        return path
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))
