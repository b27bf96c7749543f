"""Packing a source: every image decoded once, by several processes, into one file of arrays that needs no decoding to be read.

    OUT.zip.part/pack.zip    room for the head of images.npy, then image after image; a chunk is written by whoever decoded it
    OUT.zip.part/plan.json   what is packed and how
    OUT.zip.part/done.jsonl  a line for each chunk that is written, with the images of it that cannot be used

An interrupted packing goes on with the chunks that are missing. Nothing bears the final name before it is whole.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.lib import format as npy
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .chunks import chunk, each_chunk, numbers, processes
from .containers import Container, fingerprint
from .decoding import Decoding, UnusableError, WrongSizeError, look, pixels_of
from .opening import open_container
from .packed_files import ABOUT, FORMAT, IMAGES, LABELS
from .stored_zip import Stored, directory_of

HEAD = 4096
"""Where the first image starts: local header and array header before it fill a page."""
ARRAY_HEAD = 128
PIECE = 2**24


@frozen
class Packing:
    """How a packing ended."""

    path: Path
    images: int
    shape: tuple[int, int, int]
    """(height, width, channels)."""
    passed_over: tuple[tuple[str, str], ...]
    """(name, reason) of images that are left out."""
    resumed: int
    """Images that an earlier, interrupted packing had done."""


@frozen
class Writer:
    """Decodes some images of a container and writes them where they belong."""

    container: Container
    to: Decoding
    path: str

    def __call__(self, images: range) -> list[tuple[int, str]]:
        """(number, reason) of those that cannot be used.

        Raises:
            GentoolError: one has another size, and none was asked for.
        """
        each = self.to.sides[0] * self.to.sides[1] * self.to.channels
        bad, rows = [], bytearray(each * len(images))
        for k, i in enumerate(images):
            try:
                rows[k * each : (k + 1) * each] = pixels_of(self.container.read(i), self.to).tobytes()
            except WrongSizeError as error:
                where = self.container.where(self.container.names[i])
                raise GentoolError(f"{where} {error.short}, which the first image has; give --size to resize all") from error
            except UnusableError as error:
                bad.append((i, str(error)))
        with open(self.path, "r+b") as file:
            file.seek(HEAD + images.start * each)
            file.write(rows)
        return bad


def pack(
    source: str,
    out: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    resize: str = "lanczos",
    classes: int = 0,
    skip: bool = False,
    workers: int | None = None,
    split: str = "train",
    columns: tuple[str, str] = ("image", "label"),
    progress: Callable[[int, int], None] | None = None,
) -> Packing:
    """Pack a source into `out`, going on where an interrupted packing of the same ended.

    Args:
        source: anything that `open_container` opens.
        out: the file to make, `.zip`.
        size: side or (height, width); that of the first image if left out, and then all must have it.
        channels: 3 or 1; those of the first image if left out.
        resize: filter of the resizing.
        classes: number of classes to pack with the images.
        skip: whether images that cannot be used are left out and named, instead of ending the packing.
        workers: processes; one for each core if left out.
        split: of sources that hold two.
        columns: of images and labels in parquet files.
        progress: called with (images done, of how many).

    Raises:
        GentoolError: the source or an image cannot be used, `out` exists, or there is no room for it.
    """
    out = Path(out)
    if out.exists():
        raise GentoolError(f"{out} exists already; delete it, or choose another name")
    if not out.parent.is_dir():
        raise GentoolError(f"there is no folder {out.parent} to write {out.name} into")
    container = open_container(source, *columns, split)
    n = len(container.names)
    refused = tuple(container.refused)
    if refused and not skip:
        raise _unusable(container, *refused[0])
    if not n:
        raise GentoolError(f"{source} holds no image")
    to = _decoding(container, size, channels, resize)
    labels = container.labels(classes) if classes else None
    plan = {
        "source": fingerprint(container),
        "to": str(to),
        "images": n,
        "classes": classes,
        "chunks": len(numbers(n)),
        "format": FORMAT,
    }
    with _folder(out) as part:
        writer = Writer(container, to, str(part / "pack.zip"))
        bad = _done(part, plan)
        resumed = sum(len(chunk(k, n)) for k in bad)
        if not bad:
            _begin(part, plan, n, to)
        _decode(writer, part, n, bad, skip, processes(workers), progress)
        found = [pair for k in sorted(bad) for pair in bad[k]]
        kept = np.setdiff1d(np.arange(n), [i for i, _ in found])
        if not len(kept):
            raise GentoolError(f"{source} holds no image that can be used; {container.names[0]} {found[0][1]}")
        about = {"format": FORMAT, "classes": classes or None, "images": len(kept), "resize": resize, "made_of": plan["source"]}
        _finish(part, kept, n, to, None if labels is None else labels[kept], about)
        (part / "pack.zip").rename(out)
    shape = (*to.sides, to.channels)
    return Packing(out, len(kept), shape, refused + tuple((container.names[i], why) for i, why in found), resumed)


def _decoding(container: Container, size: int | tuple[int, int] | None, channels: int | None, resize: str) -> Decoding:
    """What becomes of the images: what was asked for, and the rest as the first image that can be read has it."""
    if size is None or channels is None:
        first = None
        for i in range(len(container.names)):
            try:
                first = look(container.read(i))
                break
            except UnusableError:
                continue
        if first is None:
            raise GentoolError(f"{container.source} holds no image that can be read")
        grey = first.mode in ("L", "1")
        channels = channels or (1 if grey else 3)
        if size is None:
            return Decoding((first.height, first.width), channels, "none")
    return Decoding((size, size) if isinstance(size, int) else size, channels, resize)


def _unusable(container: Container, name: str, reason: str) -> GentoolError:
    return GentoolError(f"{container.where(name)} {reason}\ngive --skip to leave such images out")


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """The folder of what is unfinished, held by this process; it goes when the block ends well."""
    part = out.with_name(out.name + ".part")
    try:
        part.mkdir(exist_ok=True)
        lock = open(part / "lock", "a")  # noqa: SIM115
    except OSError as error:
        raise GentoolError(f"{part} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # forked workers do not inherit it
        except OSError as error:
            raise GentoolError(f"another process is packing into {out}; wait for it, or choose another name") from error
        yield part
        shutil.rmtree(part)


def _done(part: Path, plan: dict[str, Any]) -> dict[int, list[tuple[int, str]]]:
    """The chunks that an earlier packing of the same plan wrote, each with its images that cannot be used."""
    try:
        if json.loads((part / "plan.json").read_text()) != plan:
            return {}
        found = {}
        for line in (part / "done.jsonl").read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                number, bad = json.loads(line)
                found[int(number)] = [(int(i), str(why)) for i, why in bad]
        return found
    except (OSError, ValueError, TypeError):
        return {}


def _begin(part: Path, plan: dict[str, Any], n: int, to: Decoding) -> None:
    """An empty file of the right size, and the plan last: it says that the rest is there."""
    for name in ("plan.json", "done.jsonl", "pack.zip"):
        (part / name).unlink(missing_ok=True)
    size = HEAD + n * to.sides[0] * to.sides[1] * to.channels
    free = shutil.disk_usage(part).free
    if size > free:
        raise GentoolError(f"{part.parent} has {free / 1e9:.1f} GB of room, and the packed set needs {size / 1e9:.1f} GB")
    with open(part / "pack.zip", "wb") as file:
        file.truncate(size)
    (part / "done.jsonl").touch()
    (part / "plan.json").write_text(json.dumps(plan))


def _decode(
    writer: Writer,
    part: Path,
    n: int,
    bad: dict[int, list[tuple[int, str]]],
    skip: bool,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Do the chunks that are missing, and note each as it is written."""
    missing = [k for k in numbers(n) if k not in bad]
    done = sum(len(chunk(k, n)) for k in bad)
    with ExitStack() as stack:
        journal = stack.enter_context(open(part / "done.jsonl", "a"))
        for number, found in stack.enter_context(closing(each_chunk(writer, missing, n, workers))):
            if found and not skip:
                raise _unusable(writer.container, writer.container.names[found[0][0]], found[0][1])
            bad[number] = found
            journal.write(json.dumps([number, found]) + "\n")
            journal.flush()
            done += len(chunk(number, n))
            if progress is not None:
                progress(done, n)
    assert done == n, "a chunk was not written"


def _finish(
    part: Path, kept: NDArray[np.int64], n: int, to: Decoding, labels: NDArray[np.int64] | None, about: dict[str, Any]
) -> None:
    """Close the gaps of images that are left out, and write everything around the pixels."""
    each = to.sides[0] * to.sides[1] * to.channels
    if len(kept) < n:
        (part / "plan.json").unlink()  # rows move from here on: another start would have to begin again
    with open(part / "pack.zip", "r+b") as file:
        for new, old in enumerate(kept.tolist()):
            if new != old:
                file.seek(HEAD + old * each)
                row = file.read(each)
                file.seek(HEAD + new * each)
                file.write(row)
        end = HEAD + len(kept) * each
        file.truncate(end)
        head = _array_head((len(kept), *to.sides, to.channels))
        checksum = zlib.crc32(head)
        file.seek(HEAD)
        while piece := file.read(PIECE):
            checksum = zlib.crc32(piece, checksum)
        images = Stored(IMAGES, 0, end - HEAD + ARRAY_HEAD, checksum)
        file.seek(0)
        file.write(images.local(HEAD - ARRAY_HEAD) + head)
        members, at = [images], end
        texts = {ABOUT: json.dumps(about, indent=1).encode()}
        if labels is not None:
            stream = io.BytesIO()
            npy.write_array(stream, labels.astype(np.int64), allow_pickle=False)
            texts[LABELS] = stream.getvalue()
        file.seek(end)
        for name, text in texts.items():
            members.append(Stored(name, at, len(text), zlib.crc32(text)))
            whole = members[-1].local() + text
            file.write(whole)
            at += len(whole)
        file.write(directory_of(members, at))
        file.flush()
        os.fsync(file.fileno())


def _array_head(shape: tuple[int, ...]) -> bytes:
    """The header of an array of bytes, filled up to a fixed length."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\1\0" + (ARRAY_HEAD - 10).to_bytes(2, "little") + text.ljust(ARRAY_HEAD - 11) + b"\n"
