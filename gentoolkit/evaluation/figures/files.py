"""Figures as files, complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gentoolkit.engine.samples.sample_files import check_target
from gentoolkit.registry import GentoolError

PICTURE = (".png",)


def write_figure(out: str | Path, save: Callable[[Path], None], endings: Sequence[str] = PICTURE) -> Path:
    """Have `save` write a file under another name, and give it the one that is wanted.

    Raises:
        GentoolError: the ending is unknown, or the place cannot be written.
    """
    target = check_target(out, endings, "a figure")
    unfinished = target.with_name(f".unfinished-{target.name}")
    try:
        save(unfinished)
        unfinished.replace(target)
    except OSError as error:
        raise GentoolError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target
