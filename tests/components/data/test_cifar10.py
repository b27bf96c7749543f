"""CIFAR-10: official batches without running their pickles, and other containers of one split."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import struct
import tarfile
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gentoolkit.components.data.cifar10 import CIFAR10
from gentoolkit.components.data.cifar_files import open_cifar, read_batch
from gentoolkit.components.data.plain_pickle import RefusedError, read_plain
from gentoolkit.registry import Facts, GentoolError
from gentoolkit.testing.sources import pictures, write_source

MADE = pictures(10, 32, 10)
ROWS = MADE.images.transpose(0, 3, 1, 2).reshape(10, -1)
BATCH = {b"data": ROWS, b"labels": MADE.labels.tolist(), b"batch_label": b"a batch", b"filenames": [b"x.png"] * 10}


def open_(source, **options):
    return CIFAR10(source=str(source), **options).build(Facts(), {})


def archive(path, batches, mode="w:gz"):
    with tarfile.open(path, mode) as made:
        for name, content in batches.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return path


def official():
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    return {name: pickle.dumps({**BATCH, b"labels": [k] * 10}, protocol=2) for k, name in enumerate(names)}


def old_pickle():
    """A batch as Python 2 wrote the official ones: protocol 2, texts as bytes, `numpy.core.multiarray`."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    shape = b"M" + struct.pack("<H", len(ROWS)) + b"M" + struct.pack("<H", 3072) + b"\x86"
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
    state = b"(K\1" + shape + dtype + b"\x89T" + struct.pack("<I", ROWS.nbytes) + ROWS.tobytes() + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([y]) for y in MADE.labels.tolist()) + b"e"
    return b"\x80\2}(" + text(b"data") + array + state + text(b"labels") + labels + b"u."


@pytest.mark.parametrize("protocol", range(6))
def test_a_batch_of_any_protocol_is_read(protocol):
    images, labels = read_batch(pickle.dumps(BATCH, protocol), "batch")
    assert np.array_equal(images.reshape(10, -1), ROWS)
    assert images.dtype == np.uint8
    assert labels.tolist() == MADE.labels.tolist()


def test_a_batch_of_python_2_is_read():
    assert pickle.loads(old_pickle(), encoding="bytes")[b"data"].shape == ROWS.shape
    images, labels = read_batch(old_pickle(), "batch")
    assert np.array_equal(images.reshape(10, -1), ROWS)
    assert labels.tolist() == MADE.labels.tolist()


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_the_archive_and_the_folder_are_one_set(tmp_path, mode):
    path = archive(tmp_path / ("cifar-10-python.tar.gz" if mode == "w:gz" else "cifar-10-python.tar"), official(), mode)
    with tarfile.open(path) as made:
        made.extractall(tmp_path, filter="data")
    for source in (path, tmp_path, tmp_path / "cifar-10-batches-py"):
        made = open_(source)
        assert len(made) == 50
        assert made.labels().tolist() == sorted([0, 1, 2, 3, 4] * 10)
        assert np.array_equal(made[13]["x_0"].numpy(), MADE.images[3].transpose(2, 0, 1))
        assert open_(source, split="test").labels().tolist() == [5] * 10
    assert "y" not in open_(path, classes=0)[0]
    assert CIFAR10(source="", classes=0).spec().labels is None
    assert CIFAR10(source="").spec().shape == (3, 32, 32)


@pytest.mark.parametrize("use", ["image-zip", "image-folder", "image-parquet", "packed"])
def test_other_containers_hold_one_split(tmp_path, use):
    source = write_source(use, tmp_path, size=32, classes=10)
    made = open_(source, flip=True)
    assert len(made) == 11
    assert made[0]["y"] == 0
    assert made[0]["x_0"].shape == (3, 32, 32)
    with pytest.raises(GentoolError, match="holds one split"):
        open_(source, split="test")


def test_a_zip_of_another_size_is_refused(tmp_path):
    with pytest.raises(GentoolError, match="is 16x16, not 32x32"):
        open_(write_source("image-zip", tmp_path, size=16))


class Evil:
    def __init__(self, function, *arguments):
        self.what = function, arguments

    def __reduce__(self):
        return self.what


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Evil(os.system, "touch evil"), r"(posix|nt)\.system"),
        (Evil(eval, "1"), r"builtins\.eval|__builtin__\.eval"),
        (Evil(np.load, "x"), "numpy.*load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_foreign_global_is_named_and_never_called(tmp_path, monkeypatch, value, name, protocol):
    monkeypatch.chdir(tmp_path)
    batches = official()
    batches["data_batch_3"] = pickle.dumps({**BATCH, b"extra": value}, protocol)
    path = archive(tmp_path / "cifar-10-python.tar.gz", batches)
    with pytest.raises(GentoolError, match=rf"data_batch_3 asks for {name}, which plain arrays do not need"):
        open_(path)
    assert not (tmp_path / "evil").exists()


def push(text):
    return b"X" + struct.pack("<I", len(text)) + text


BOMBS = {
    "a memo number": b"\x80\2Nr\xff\xff\xff\x7f.",
    "a shape": b"\x80\2}(U\4datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
    + b"(K\1J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86cnumpy\ndtype\nU\2u1\x85R\x89U\1xtbu.",
    "nested tuples as a key": b"\x80\2})" + b"2\x86" * 60 + b"Ns.",
    "nested tuples by number": b"\x80\2}()" + b"q\0h\0h\0\x86" * 60 + b"Nu.",
    "copies of a text": b"\x80\2]("
    + push(b"x" * 10_000)
    + b"q\0"
    + b"c_codecs\nencode\nh\0X\6\0\0\0latin1\x86R" * 5000
    + b"e.",
    "an object": b"\x80\2c__main__\nA\n)\x81.",
    "an instance": b"(i__main__\nA\n.",
    "persistent": b"Px\n.",
    "an array of objects": pickle.dumps({b"data": np.array([None, 1]), b"labels": [1]}, 2),
    "an array of floats": pickle.dumps({b"data": np.ones((1, 3072)), b"labels": [1]}, 2),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_pickles_that_want_much_or_something_else(bomb):
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(GentoolError):
        read_batch(BOMBS[bomb], "batch")
    assert time.perf_counter() - began < 2
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_too_many_instructions():
    with pytest.raises(RefusedError, match="more than 524288 instructions"):
        read_plain(b"\x80\2" + b"N" * 600_000 + b".")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1], r"holds no images \[n, 3072\]"),
        ({b"data": ROWS[:, :100], b"labels": [0] * 10}, r"holds no images \[n, 3072\]"),
        ({b"data": ROWS, b"labels": [0] * 9}, "has not as many labels as images"),
        ({b"data": ROWS, b"fine_labels": [0] * 10}, "has not as many labels as images"),
        ({b"data": ROWS, b"labels": [10] * 10}, r"labels that are not 0\.\.9"),
    ],
)
def test_a_pickle_of_something_else_is_no_batch(batch, message):
    with pytest.raises(GentoolError, match=message):
        read_batch(pickle.dumps(batch, 2), "batch")


def test_missing_batches_and_damaged_archives(tmp_path):
    batches = official()
    del batches["data_batch_4"]
    path = archive(tmp_path / "cifar-10-python.tar.gz", batches)
    with pytest.raises(GentoolError, match="has no cifar-10-batches-py/data_batch_4"):
        open_(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-20], b"no gzip", b""):
        path.write_bytes(content)
        with pytest.raises(GentoolError, match=r"cifar-10-python\.tar\.gz"):
            open_(path)
    path.unlink()
    with pytest.raises(GentoolError, match="is no file"):
        open_(path)
    (tmp_path / "data_batch_1").write_bytes(b"x")
    with pytest.raises(GentoolError, match="data_batch_1 is damaged"):
        open_(tmp_path)


def test_members_that_lead_out_or_are_links(tmp_path):
    for name, kind, message in (
        ("../data_batch_1", tarfile.REGTYPE, "leads out"),
        ("data_batch_1", tarfile.SYMTYPE, "is a link"),
    ):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as made:
            made.addfile(info)
        with pytest.raises(GentoolError, match=message):
            open_(tmp_path / "x.tar.gz")


def test_a_gzip_bomb_ends_early(tmp_path):
    info = tarfile.TarInfo("filler")
    info.size = 2**33
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(10_000_000)))
    began = time.perf_counter()
    with pytest.raises(GentoolError, match="is cut off: it ends within 'filler'"):
        open_(tmp_path / "x.tar.gz")
    assert time.perf_counter() - began < 1


ANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = pickle.dumps({b"data": ROWS[:1], b"labels": [1]}, 2)


@ANY
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda b: b"\x80\2}(" + b + b"u.")))
def test_any_bytes_are_a_batch_or_a_gentool_error(content):
    with contextlib.suppress(GentoolError):
        assert read_batch(content, "batch")[0].ndim == 4


@ANY
@given(st.lists(st.tuples(st.integers(0, 180), st.binary(min_size=1, max_size=4)), min_size=1, max_size=3), st.integers(0, 100))
def test_a_damaged_batch_is_a_batch_or_a_gentool_error(changes, lost):
    content = bytearray(WHOLE)
    for at, new in changes:
        content[at : at + len(new)] = new
    with contextlib.suppress(GentoolError):
        read_batch(bytes(content[: len(content) - lost]), "batch")


@ANY
@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_archive_is_a_set_or_a_gentool_error(tmp_path, content, packed, header):
    whole = (tarfile.TarInfo("data_batch_1").tobuf() if header else b"") + content
    path = tmp_path / "any.tar.gz"
    path.write_bytes(gzip.compress(whole) if packed else whole)
    with contextlib.suppress(GentoolError):
        open_cifar(str(path), "train")
