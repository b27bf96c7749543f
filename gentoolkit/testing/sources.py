"""Small sources of images in every layout that gentoolkit reads, written from the same random pictures, for tests.

write_source("image-zip", folder, size=8, classes=2)  ->  the `source` to write in [data]
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image


@frozen
class Pictures:
    """`images` uint8 `[n, H, W, 3]` and `labels` `[n]`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def files(self, format: str = "png") -> list[tuple[str, bytes]]:
        """The images as files, called `class1/00004.png` by class and number."""
        made = []
        for i, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, format)
            made.append((f"class{label}/{i:05d}.{format}", stream.getvalue()))
        return made


def pictures(n: int = 11, size: int | tuple[int, int] = 8, classes: int = 2) -> Pictures:
    """n random pictures, the same every time, with classes in turn."""
    sides = (size, size) if isinstance(size, int) else size
    images = np.random.default_rng(0).integers(0, 256, (n, *sides, 3), np.uint8)
    return Pictures(images, np.arange(n) % classes)


def folder(made: Pictures, to: Path) -> Path:
    """A folder with a subfolder for each class."""
    for name, content in made.files():
        (to / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (to / "pictures" / name).write_bytes(content)
    return to / "pictures"


def image_zip(made: Pictures, to: Path) -> Path:
    """StyleGAN's layout; every second member deflated."""
    path = to / "pictures.zip"
    files = made.files()
    table = {"labels": [[name, int(y)] for (name, _), y in zip(files, made.labels, strict=True)]}
    with zipfile.ZipFile(path, "w") as archive:
        for i, (name, content) in enumerate(files):
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
        archive.writestr("dataset.json", json.dumps(table))
    return path


def image_tar(made: Pictures, to: Path) -> Path:
    """Two shards in WebDataset's layout."""
    root = to / "shards"
    root.mkdir()
    half = len(made.images) // 2
    for shard, part in enumerate((slice(None, half), slice(half, None))):
        with tarfile.open(root / f"{shard:03d}.tar", "w") as archive:
            for (name, content), y in list(zip(made.files(), made.labels, strict=True))[part]:
                stem = Path(name).stem
                for member, body in ((f"{stem}.png", content), (f"{stem}.cls", str(y).encode())):
                    info = tarfile.TarInfo(member)
                    info.size = len(body)
                    archive.addfile(info, io.BytesIO(body))
    return root


def lmdb(made: Pictures, to: Path, raw: bool = False) -> Path:
    """LSUN's layout (files under hashed keys), or CelebA-HQ's (`raw` pixels under numbers)."""
    import lmdb

    path = to / ("raw.lmdb" if raw else "files_lmdb")
    with lmdb.open(str(path), map_size=2**24 + 4 * made.images.nbytes) as env, env.begin(write=True) as transaction:
        for i, (_, content) in enumerate(made.files("webp")):
            key = str(i) if raw else f"{i * 2654435761 % 2**32:08x}"
            transaction.put(key.encode(), made.images[i].tobytes() if raw else content)
    return path


def image_parquet(made: Pictures, to: Path) -> Path:
    """Hugging Face's layout, in row groups of four."""
    import pyarrow as pa
    from pyarrow import parquet

    path = to / "pictures.parquet"
    rows = [{"bytes": content, "path": name} for name, content in made.files()]
    parquet.write_table(pa.table({"image": rows, "label": made.labels}), path, row_group_size=4)
    return path


def packed(made: Pictures, to: Path) -> Path:
    """What `gentool data pack` makes."""
    from gentoolkit.components.data.packing import pack

    return pack(str(image_zip(made, to)), to / "packed.zip", classes=int(made.labels.max()) + 1).path


def idx(made: Pictures, to: Path) -> Path:
    """The two files of MNIST's train split, one of them packed."""
    grey, root = np.ascontiguousarray(made.images[..., 0]), to / "idx"
    root.mkdir()
    (root / "train-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, *grey.shape) + grey.tobytes())
    labels = struct.pack(">2i", 0x801, len(grey)) + made.labels.astype(np.uint8).tobytes()
    (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return root


def cifar10(made: Pictures, to: Path) -> Path:
    """The five official train batches, of 32 x 32 pixels."""
    root = to / "cifar-10-batches-py"
    root.mkdir()
    rows = made.images.transpose(0, 3, 1, 2).reshape(len(made.images), -1)
    for k in range(5):
        batch: dict[bytes, Any] = {b"data": np.ascontiguousarray(rows[k::5]), b"labels": made.labels[k::5].tolist()}
        (root / f"data_batch_{k + 1}").write_bytes(pickle.dumps(batch, protocol=2))
    return root


WRITERS: dict[str, Callable[[Pictures, Path], Path]] = {
    "image-folder": folder,
    "image-zip": image_zip,
    "image-tar": image_tar,
    "image-lmdb": lmdb,
    "image-parquet": image_parquet,
    "packed": packed,
    "idx": idx,
    "mnist": idx,
    "fashion-mnist": idx,
    "stacked-mnist": idx,
    "cifar10": cifar10,
    "celeba-hq": lambda made, to: lmdb(made, to, raw=True),
    "lsun-church": lmdb,
}
SIZES = {"cifar10": 32, "mnist": 28, "fashion-mnist": 28, "stacked-mnist": 28}


def write_source(use: str, to: Path, n: int = 11, size: int | tuple[int, int] | None = None, classes: int = 2) -> str:
    """Write a source for the data component `use` into an empty folder of its own under `to`; its path."""
    home = to / use
    home.mkdir(parents=True)
    return str(WRITERS[use](pictures(n, size or SIZES.get(use, 8), classes), home))
