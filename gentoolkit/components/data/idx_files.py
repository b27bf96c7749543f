"""Reading idx files from anywhere, trusting nothing: magic, sizes and length must agree to the byte.

A file declares its length in its header; no more than that is read or unpacked, so a packed file cannot grow without end.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

LARGEST = 2**31
"""Bytes of pixels that a file may hold."""
PIECE = 2**22
RATIO = 100
"""Times its packed size that a file may unpack to, beyond the first piece."""
NAMES = {"train": "train", "test": "t10k"}


def open_idx(source: str, split: str, classes: int | None) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Images uint8 `[n, H, W]` and classes `[n]` (None unless `classes` is given).

    Raises:
        GentoolError: a file is missing, is no idx file, or images and labels do not belong together.
    """
    images_at = find(source, split, "images")
    images = read_idx(images_at, dimensions=3)
    if not images.size:
        raise GentoolError(f"{images_at} holds no image")
    if classes is None:
        return images, None
    labels_at = find(source, split, "labels") if images_at != source else find_labels(source)
    labels = read_idx(labels_at, dimensions=1).astype(np.int64)
    if len(labels) != len(images):
        raise GentoolError(f"{labels_at} has {len(labels)} labels, but {images_at} has {len(images)} images: not of one set")
    if labels.max() >= classes:
        raise GentoolError(f"{labels_at} has the label {labels.max()}; write classes = {labels.max() + 1} in [data]")
    return images, labels


def padded(images: NDArray[np.uint8], size: int, source: str) -> NDArray[np.uint8]:
    """Images `[n, 1, size, size]` with a black margin, the odd row and column at the bottom and right."""
    n, h, w = images.shape
    if max(h, w) > size:
        raise GentoolError(f"the images of {source} are {h}x{w}; write size = {max(h, w)} or more in [data]")
    if (h, w) == (size, size):
        return images[:, None]
    full = np.zeros((n, 1, size, size), np.uint8)
    top, left = (size - h) // 2, (size - w) // 2
    full[:, 0, top : top + h, left : left + w] = images
    return full


def read_idx(path: str, dimensions: int) -> NDArray[np.uint8]:
    """The array of one idx file of unsigned bytes, packed or not.

    Raises:
        GentoolError: naming the file and what is wrong with it.
    """
    try:
        with _unpacked(path) as (stream, packed_size):
            magic = bytes(_exactly(stream, 4, path, "its magic number", packed_size))
            if magic != bytes((0, 0, 8, dimensions)):
                what = {bytes((0, 0, 8, 3)): "images", bytes((0, 0, 8, 1)): "labels"}.get(magic, f"magic {magic.hex()}")
                wanted = {3: "images (magic 00000803)", 1: "labels (magic 00000801)"}[dimensions]
                raise GentoolError(f"{path} is no idx file of {wanted}: it starts with {what}")
            header = _exactly(stream, 4 * dimensions, path, "its sizes", packed_size)
            shape = tuple(int(v) for v in np.frombuffer(header, ">u4"))
            length = int(np.prod([int(v) for v in shape], dtype=object))
            if length > LARGEST:
                raise GentoolError(f"{path} says that it holds {shape}, {length} bytes; at most {LARGEST} are read")
            body = _exactly(stream, length, path, f"the {length} bytes of its shape {shape}", packed_size)
            if stream.read(1):
                raise GentoolError(f"{path} goes on after the {length} bytes of its shape {shape}; it is damaged")
            return np.frombuffer(body, np.uint8).reshape(shape)
    except (OSError, EOFError, zlib.error, ImportError, ValueError) as error:
        raise GentoolError(f"{path} cannot be read: {error or type(error).__name__}") from error


def _exactly(stream: IO[bytes], length: int, path: str, what: str, packed_size: int | None) -> bytearray:
    body = bytearray()
    while len(body) < length:
        piece = stream.read(min(PIECE, length - len(body)))
        if not piece:
            raise GentoolError(f"{path} ends before {what}: {len(body)} of {length} bytes; it is damaged, fetch it again")
        body += piece
        if packed_size is not None and len(body) > PIECE + RATIO * packed_size:
            raise GentoolError(f"{path} unpacks to more than {RATIO} times its size; it is not read further")
    return body


@contextmanager
def _unpacked(path: str) -> Iterator[tuple[IO[bytes], int | None]]:
    with _opened(path) as raw:
        start = raw.read(2)
        raw.seek(0)
        if start != b"\x1f\x8b":
            yield raw, None
            return
        raw.seek(0, 2)
        size = raw.tell()
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream, size  # type: ignore[misc]


def _opened(path: str) -> Any:
    if "://" not in path:
        return open(path, "rb")
    import fsspec

    return fsspec.open(path, "rb")


def find(source: str, split: str, what: str) -> str:
    """Path of the images or labels of a split: the source itself if it is the file of the images, else inside the folder."""
    remote = "://" in source
    if what == "images" and (Path(source).is_file() if not remote else _looks_like_images(source)):
        return source
    kind = {"images": "idx3", "labels": "idx1"}[what]
    candidates = [f"{NAMES[split]}-{what}{dash}{kind}-ubyte{end}" for dash in "-." for end in ("", ".gz")]
    for name in candidates:
        path = f"{source.rstrip('/')}/{name}" if remote else str(Path(source) / name)
        if _exists(path):
            return path
    raise GentoolError(f"{source} has no {what} of the {split} split: looked for {', '.join(candidates)}")


def find_labels(images_at: str) -> str:
    """The labels that lie beside a file of images: the same name with `labels` and `idx1`."""
    head, slash, name = images_at.rpartition("/")
    beside = head + slash + name.replace("images", "labels").replace("idx3", "idx1")
    if beside == images_at or not _exists(beside):
        raise GentoolError(f"no file of labels lies beside {images_at} ({beside}); write classes = 0 in [data] to do without")
    return beside


def _looks_like_images(url: str) -> bool:
    return "idx3" in url.rpartition("/")[2]


def _exists(path: str) -> bool:
    if "://" not in path:
        return Path(path).is_file()
    import fsspec

    try:
        fs, inner = fsspec.core.url_to_fs(path)
        return bool(fs.exists(inner))
    except (ImportError, OSError, ValueError) as error:
        raise GentoolError(f"{path} cannot be looked at: {error}") from error
