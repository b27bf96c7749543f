"""Files that are there in full or not at all, also after a crash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from . import faults


def write_whole(path: Path, text: str, point: str = "") -> None:
    """Write a file so that it is there in full or not at all.

    Args:
        path: the file.
        text: what it holds.
        point: name of its fault point; its own name unless given.

    Raises:
        OSError: it cannot be written; says which file.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with faults.point(point or path.name) as middle:
            with temporary.open("w") as f:
                f.write(text)
                f.flush()
                os.fsync(f.fileno())
            middle()
            temporary.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_folder(path: Path) -> None:
    """Make a folder's names survive a power cut, where the system can."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError:
        return
    finally:
        os.close(number)


def digest(file: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
