"""Where the bytes of a source are: a local path is itself; of anything else fsspec brings a copy, once, into a local folder.

    s3://bucket/a.zip   ->   $GENTOOL_CACHE/data/<sha256 of the address and of what the store says of the file>/a.zip

Only whole files are brought, by the process that opens the source; workers read the copy, so no connection crosses a fork.
"""

from __future__ import annotations

import fcntl
import glob
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from gentoolkit.registry import GentoolError

CACHE = "GENTOOL_CACHE"
"""The variable that names the folder of local copies; `~/.cache/gentoolkit` without it."""


def is_url(source: str) -> bool:
    """Whether a source is fsspec's business."""
    return "://" in source or "::" in source


def local_file(source: str) -> str:
    """The local path of a file: itself, or a copy of it.

    Raises:
        GentoolError: it is not there or cannot be brought.
    """
    if not is_url(source):
        if not os.path.isfile(source):
            raise GentoolError(f"{source} is no file; write where it is as source in [data]")
        return source
    fs, inside = _file_system(source)
    try:
        if not fs.isfile(inside):
            raise GentoolError(f"there is no file {source}")
        said = fs.ukey(inside)
    except GentoolError:
        raise
    except Exception as error:  # every file system has errors of its own
        raise _unreachable(source, error) from error
    folder = Path(os.environ.get(CACHE) or Path.home() / ".cache" / "gentoolkit") / "data"
    kept = folder / sha256(f"{source} {said}".encode()).hexdigest()[:24] / inside.rstrip("/").rpartition("/")[2]
    if not kept.is_file():
        _bring(fs, inside, source, kept)
    return str(kept)


def local_files(source: str, suffix: str) -> list[str]:
    """The local paths of one or many files, by name: a file, all files with the suffix in a folder, or a pattern with `*`.

    Raises:
        GentoolError: there is none.
    """
    if not is_url(source):
        if os.path.isfile(source):
            return [source]
        found = glob.glob(source) if "*" in source else glob.glob(os.path.join(glob.escape(source), f"*{suffix}"))
        found = sorted(f for f in found if os.path.isfile(f))
    else:
        fs, inside = _file_system(source)
        try:
            if "*" not in inside and fs.isfile(inside):
                return [local_file(source)]
            listed = fs.glob(inside if "*" in inside else f"{inside.rstrip('/')}/*{suffix}")
        except Exception as error:  # every file system has errors of its own
            raise _unreachable(source, error) from error
        found = [local_file(fs.unstrip_protocol(f)) for f in sorted(listed)]
    if not found:
        raise GentoolError(f"{source} is no file, no folder with {suffix} files, and no pattern that any file matches")
    return found


def _file_system(source: str) -> tuple[Any, str]:
    try:
        import fsspec

        return fsspec.core.url_to_fs(source.removeprefix("simplecache::"))  # type: ignore[no-any-return]
    except Exception as error:  # an unknown protocol, a missing package, refused credentials
        raise _unreachable(source, error) from error


def _bring(fs: Any, inside: str, source: str, kept: Path) -> None:
    """Copy a remote file; one process of a machine does, the others wait for it."""
    unfinished = kept.with_name(kept.name + ".part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with open(kept.with_name(kept.name + ".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.is_file():
                fs.get_file(inside, str(unfinished))
                unfinished.replace(kept)
    except Exception as error:  # the network's errors and the disk's
        raise _unreachable(source, error) from error


def _unreachable(source: str, error: Exception) -> GentoolError:
    return GentoolError(f"{source} cannot be fetched: {error or type(error).__name__}")
