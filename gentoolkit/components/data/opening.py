"""Which kind of container a source is, by what it holds, and opening it."""

from __future__ import annotations

import os
from pathlib import Path

from gentoolkit.registry import GentoolError

from .array_files import ArrayFiles
from .cifar_files import BATCHES, FOLDER, open_cifar
from .containers import Container
from .decoding import SUFFIXES
from .folder_files import FolderFiles
from .idx_files import open_idx
from .lmdb_files import DATA, MAGIC, LmdbFiles
from .located import is_url, local_file
from .packed_files import ABOUT, IMAGES, PackedFiles
from .parquet_files import ParquetFiles
from .tar_files import TarFiles
from .zip_files import ZipFiles, directory

KINDS = "a folder of images, a zip or tar archive, an LMDB, parquet, a packed set, MNIST's idx files, or CIFAR-10's batches"


def open_container(source: str, image: str = "image", label: str = "label", split: str = "train") -> Container:
    """The container that a source is.

    Args:
        source: a path or URL of one of `KINDS`.
        image: the column of images in parquet files.
        label: the column of classes in parquet files.
        split: the part of MNIST's files or CIFAR-10's batches.

    Raises:
        GentoolError: it is none of these, or damaged.
    """
    if "*" in source or (is_url(source) and source.endswith((".tar", ".parquet"))):
        return ParquetFiles(source, image, label) if source.endswith(".parquet") else TarFiles(source)
    if not is_url(source) and os.path.isdir(source):
        return _in_folder(source, image, label, split)
    if is_official(source) and "cifar" in source.rpartition("/")[2].lower():
        return _batches(source, split)
    if source.rstrip("/").endswith((".lmdb", "_lmdb", ".mdb")) and is_url(source):
        return LmdbFiles(source)
    path = local_file(source)
    with open(path, "rb") as file:
        head = file.read(512)
    if head[:2] == b"PK":
        return open_zip(source, path)
    if head[:4] == b"PAR1":
        return ParquetFiles(source, image, label)
    if head[16:20] == MAGIC:
        return LmdbFiles(source)
    if head[257:262] == b"ustar" or source.endswith((".tar", ".tar.gz", ".tgz")):
        return TarFiles(source)
    if head[:4] == b"\0\0\x08\x03" or (head[:2] == b"\x1f\x8b" and "idx3" in source):
        return _idx(source, split)
    raise GentoolError(f"{source} is not {KINDS}")


def open_zip(source: str, path: str) -> ZipFiles | PackedFiles:
    """A zip archive of images, or a packed set, which is one too."""
    packed = {ABOUT, IMAGES} <= {info.filename for info in directory(path, source)}
    return PackedFiles(source, path) if packed else ZipFiles(source, path)


def is_official(source: str) -> bool:
    """Whether a source is the folder of CIFAR-10's batches or their archive, by what lies in it or its name."""
    if not is_url(source) and os.path.isdir(source):
        root = Path(source)
        return any((folder / name).is_file() for folder in (root, root / FOLDER) for part in BATCHES.values() for name in part)
    return source.endswith((".tar.gz", ".tgz")) or source.rpartition("/")[2] == "cifar-10-python.tar"


def _batches(source: str, split: str) -> ArrayFiles:
    return ArrayFiles(source, "cifar10", *open_cifar(source, split))


def _idx(source: str, split: str) -> ArrayFiles:
    """Idx files, with the labels that lie beside them, if any do."""
    try:
        images, labels = open_idx(source, split, 256)
    except GentoolError:
        images, labels = open_idx(source, split, None)
    return ArrayFiles(source, "idx", images[:, None], labels)


def _in_folder(source: str, image: str, label: str, split: str) -> Container:
    """A folder may be an LMDB, hold one called `train.lmdb`, or hold shards, batches or idx files instead of images."""
    root = Path(source)
    if is_official(source):
        return _batches(source, split)
    if (root / DATA).is_file():
        return LmdbFiles(source)
    if (root / "train.lmdb" / DATA).is_file():
        return LmdbFiles(str(root / "train.lmdb"))
    names = [entry.name.lower() for entry in os.scandir(root) if entry.is_file()]
    if not any(name.endswith(SUFFIXES) for name in names):
        if any(name.endswith(".parquet") for name in names):
            return ParquetFiles(source, image, label)
        if any(name.endswith(".tar") for name in names):
            return TarFiles(source)
        if any("idx3" in name for name in names):
            return _idx(source, split)
    return FolderFiles(source)
