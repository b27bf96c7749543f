"""Errors that come from below, as a person reads them."""

from __future__ import annotations

import errno

import pytest

from gentoolkit.cli import report


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), 1, "error: a data worker was killed"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            2,
            "error: runs/x cannot be written: No space left on device",
        ),
        (ZeroDivisionError("division by zero"), 1, "internal error: ZeroDivisionError: division by zero\n"),
    ],
)
def test_what_is_said(error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(error) == code
    assert capsys.readouterr().err.startswith(said)
