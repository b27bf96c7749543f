"""The official CIFAR-10 batches: Python pickles of `{b"data": uint8 [10000, 3072], b"labels": [10000 ints]}`.

Rows hold the red, green and blue plane. The pickles are read by `plain_pickle`, which runs nothing of them.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gentoolkit.registry import GentoolError

from .located import is_url, local_file
from .members import name_trouble
from .plain_pickle import RefusedError, read_plain
from .tar_headers import walk

BATCHES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
FOLDER = "cifar-10-batches-py"
LARGEST = 2**26
"""Bytes that a batch may have; the official ones have 31 035 704 or a few fewer."""
RATIO = 10
"""Times its size that a packed archive may unpack to; the official one has 1.1."""


def open_cifar(source: str, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images uint8 `[n, 3, 32, 32]` and classes `[n]` of a split, from the folder of the batches or its `.tar.gz`.

    Raises:
        GentoolError: a batch is missing or damaged, or is a pickle that asks for anything but an array.
    """
    images, labels = [], []
    for name, content in batches(source, BATCHES[split]):
        x, y = read_batch(content, f"{source}: {name}")
        images.append(x)
        labels.append(y)
    return np.concatenate(images), np.concatenate(labels)


def batches(source: str, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """The bytes of the batches called `names`, in that order.

    Raises:
        GentoolError: one is missing or too large.
    """
    if not is_url(source) and os.path.isdir(source):
        root = Path(source)
        root = root / FOLDER if (root / FOLDER).is_dir() else root
        for name in names:
            path = root / name
            if not path.is_file():
                raise GentoolError(f"{source} has no {name}; write the folder of the batches ({FOLDER}) as source in [data]")
            if path.stat().st_size > LARGEST:
                raise GentoolError(f"{path} is larger than {LARGEST} bytes: no CIFAR-10 batch")
            yield name, path.read_bytes()
        return
    found = _from_tar(local_file(source), source, names)
    for name in names:
        if name not in found:
            raise GentoolError(f"{source} has no {FOLDER}/{name}; is it the python version of CIFAR-10?")
        yield name, found[name]


def _from_tar(path: str, source: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Batches out of a tar archive, packed or not, in one pass; what is skipped is unpacked piece by piece and bounded."""
    found: dict[str, bytes] = {}
    bound = LARGEST + RATIO * os.path.getsize(path)
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if packed else raw

            def read(offset: int, length: int) -> bytes:
                stream.seek(offset)
                return stream.read(length)

            for member in walk(read, bound, source):
                name = member.name.rpartition("/")[2]
                if name not in names or name in found:
                    continue
                if trouble := name_trouble(member.name) or ("is a link" if member.link else None):
                    raise GentoolError(f"{source}: {member.name} {trouble}")
                if member.size > LARGEST:
                    raise GentoolError(f"{source}: {member.name} would be {member.size} bytes: no CIFAR-10 batch")
                found[name] = read(member.offset, member.size)
                if len(found) == len(names):
                    break
    except (OSError, EOFError, zlib.error) as error:
        raise GentoolError(f"{source} is damaged or cut off: {error or type(error).__name__}") from error
    return found


def read_batch(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images `[n, 3, 32, 32]` and classes `[n]` of one batch.

    Raises:
        GentoolError: naming the batch and what is wrong with it.
    """
    try:
        batch = read_plain(content)
    except RefusedError as error:
        raise GentoolError(f"{where} {error}; fetch it from the authors' page") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise GentoolError(f"{where} is damaged: {error or type(error).__name__}") from error
    pixels, labels = (_entry(batch, "data"), _entry(batch, "labels")) if isinstance(batch, dict) else (None, None)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != 3072:
        raise GentoolError(f"{where} holds no images [n, 3072]; it is no CIFAR-10 batch")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        raise GentoolError(f"{where} has not as many labels as images; it is no CIFAR-10 batch")
    if not all(type(y) is int and 0 <= y < 10 for y in labels):
        raise GentoolError(f"{where} has labels that are not 0..9; it is no CIFAR-10 batch")
    return pixels.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def _entry(batch: dict[Any, Any], name: str) -> Any:
    return batch.get(name.encode(), batch.get(name))
