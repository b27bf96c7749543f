"""Sources that are not local files: brought once, whole, into a folder of copies."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import fsspec
import numpy as np
import pytest

from gentoolkit.components.data.cifar10 import CIFAR10
from gentoolkit.components.data.image_lmdb import ImageLmdb
from gentoolkit.components.data.image_parquet import ImageParquet
from gentoolkit.components.data.image_tar import ImageTar
from gentoolkit.components.data.image_zip import ImageZip
from gentoolkit.components.data.located import local_file, local_files
from gentoolkit.components.data.packed import Packed
from gentoolkit.components.data.packing import pack
from gentoolkit.registry import Facts, GentoolError
from gentoolkit.testing.sources import write_source


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENTOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


def put(source, url):
    files = fsspec.filesystem("memory")
    for path in [Path(source)] if Path(source).is_file() else [p for p in Path(source).rglob("*") if p.is_file()]:
        inside = "" if Path(source).is_file() else "/" + path.relative_to(source).as_posix()
        files.pipe(url.removeprefix("memory:/") + inside, path.read_bytes())
    return url


SOURCES = {
    "image-zip": (ImageZip, "memory://test/pictures.zip"),
    "image-tar": (ImageTar, "memory://test/shards"),
    "image-lmdb": (ImageLmdb, "memory://test/files_lmdb"),
    "image-parquet": (ImageParquet, "memory://test/pictures.parquet"),
    "packed": (Packed, "memory://test/packed.zip"),
}


@pytest.mark.parametrize("use", SOURCES)
def test_a_remote_archive_is_the_local_one(tmp_path, use, cache):
    source = write_source(use, tmp_path)
    config, url = SOURCES[use]
    put(source, url)
    local, remote = (config(source=s, size=8).build(Facts(), {}) for s in (source, url))
    assert len(remote) == 11
    assert all(bool((local[i]["x_0"] == remote[i]["x_0"]).all()) for i in range(11))
    assert remote.fingerprint() == local.fingerprint()
    if use not in ("image-lmdb", "image-tar"):
        assert config(source=f"simplecache::{url}", size=8).build(Facts(), {}).fingerprint() == local.fingerprint()
    assert config(source=url, size=8).files() == (url,)
    assert not [p for p in cache.rglob("*") if p.suffix == ".part"]


def test_it_is_brought_once_and_again_when_it_changes(tmp_path, monkeypatch, cache):
    url = put(write_source("image-zip", tmp_path), "memory://test/once.zip")
    files = fsspec.filesystem("memory")
    brought = []
    honest = type(files).get_file

    def counted(self, rpath, lpath, **options):
        brought.append(rpath)
        return honest(self, rpath, lpath, **options)

    monkeypatch.setattr(type(files), "get_file", counted)
    first = local_file(url)
    assert local_file(url) == first
    assert len(brought) == 1
    assert Path(first).parent.parent == cache
    put(write_source("image-zip", tmp_path / "other", n=5), url)
    assert local_file(url) != first
    assert len(brought) == 2


def test_patterns_and_folders_of_shards(tmp_path):
    url = put(write_source("image-tar", tmp_path), "memory://test/many")
    assert len(local_files(url, ".tar")) == 2
    assert len(local_files(f"{url}/*1.tar", ".tar")) == 1
    assert len(ImageTar(source=f"{url}/0*.tar", size=8).build(Facts(), {})) == 11


def test_file_urls_packing_and_cifar(tmp_path):
    source = write_source("image-zip", tmp_path, size=32, classes=10)
    made = pack(f"file://{source}", tmp_path / "out.zip", classes=10, workers=1)
    assert made.images == 11
    assert CIFAR10(source=put(source, "memory://test/cifar.zip")).build(Facts(), {}).labels().shape == (11,)


def test_workers_read_the_copy(tmp_path):
    url = put(write_source("image-zip", tmp_path), "memory://test/forked.zip")
    made = ImageZip(source=url, size=8).build(Facts(), {})
    fsspec.filesystem("memory").rm("/test/forked.zip")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        means = pool.map(MeanOf(made), range(3))
    assert means == [float(made[i]["x_0"].float().mean()) for i in range(3)]


class MeanOf:
    def __init__(self, made):
        self.made = made

    def __call__(self, i):
        return float(np.mean(self.made[i]["x_0"].numpy(), dtype=np.float32))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("memory://test/none.zip", "there is no file memory://test/none.zip"),
        ("nosuch://bucket/x.zip", "nosuch://bucket/x.zip cannot be fetched: .*nosuch"),
        ("/nowhere/x.zip", "/nowhere/x.zip is no file"),
    ],
)
def test_what_is_not_there_is_named(source, message):
    with pytest.raises(GentoolError, match=message):
        ImageZip(source=source, size=8).build(Facts(), {})


def test_a_broken_connection_leaves_no_half_copy(tmp_path, monkeypatch, cache):
    url = put(write_source("image-zip", tmp_path), "memory://test/broken.zip")

    def broken(self, rpath, lpath, **options):
        Path(lpath).write_bytes(b"half")
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "get_file", broken)
    with pytest.raises(GentoolError, match=r"broken\.zip cannot be fetched: reset by peer"):
        local_file(url)
    assert not list(cache.rglob("broken.zip"))
    monkeypatch.undo()
    monkeypatch.setenv("GENTOOL_CACHE", str(cache.parent))
    assert Path(local_file(url)).stat().st_size > 100
