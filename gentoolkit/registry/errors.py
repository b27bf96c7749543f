"""The one exception that speaks to the person who made the mistake."""

from __future__ import annotations


class GentoolError(Exception):
    """A mistake the user can mend: shown as a message, without a traceback, with exit code 2.

    The text says what happened, where, and what to do next.
    """


class NoSuchComponent(GentoolError):
    """A name that no slot knows, or whose provider cannot be loaded; `near` holds the closest valid names."""

    def __init__(self, message: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.near = near
