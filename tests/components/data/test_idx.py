"""idx files: read to the byte, refused by name."""

from __future__ import annotations

import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gentoolkit.components.data import idx_files
from gentoolkit.components.data.idx import Idx
from gentoolkit.registry import Facts, GentoolError

FACTS = Facts()
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9], np.uint8)


def idx(array, magic=None):
    header = magic or bytes((0, 0, 8, array.ndim))
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    (tmp_path / "t10k-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:2])))
    (tmp_path / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:2])))
    return tmp_path


def open_(source, **options):
    return Idx(source=str(source), **{"size": 8, **options}).build(FACTS, {})


def test_a_folder_gives_images_with_a_black_margin_and_labels(folder):
    made = open_(folder)
    assert len(made) == 6
    assert made[2]["y"] == 4
    assert made.labels().tolist() == LABELS.tolist()
    x = made[2]["x_0"]
    assert tuple(x.shape) == Idx(source="", size=8).spec().shape
    assert np.array_equal(x[0, 1:6, 2:6].numpy(), IMAGES[2])
    assert int(x.sum()) == int(IMAGES[2].sum())


def test_packed_files_the_test_split_and_no_labels(folder):
    made = open_(folder, split="test", classes=0)
    assert len(made) == 2
    assert "y" not in made[0]
    assert made.labels() is None
    assert Idx(source="", classes=0).spec().labels is None


def test_the_file_of_the_images_is_a_source_too(folder):
    assert open_(folder / "t10k-images.idx3-ubyte.gz").labels().tolist() == [3, 1]


def test_a_url(folder):
    import fsspec

    files = fsspec.filesystem("memory")
    for path in folder.iterdir():
        files.pipe(f"/mnist/{path.name}", path.read_bytes())
    assert open_("memory://mnist").fingerprint() == open_(folder).fingerprint()
    assert len(open_("memory://mnist/t10k-images.idx3-ubyte.gz")) == 2
    with pytest.raises(GentoolError, match="memory://elsewhere has no images of the train split"):
        open_("memory://elsewhere")


def test_flip_mirrors_half_of_the_items_by_their_own_generator(folder):
    made = open_(folder, flip=True)
    plain = open_(folder)
    assert made.fingerprint() == plain.fingerprint()
    assert not hasattr(plain, "item")
    flipped = [made.item(2, np.random.default_rng(k))["x_0"] for k in range(200)]
    mirrored = sum(bool((x == plain[2]["x_0"].flip(-1)).all()) for x in flipped)
    same = sum(bool((x == plain[2]["x_0"]).all()) for x in flipped)
    assert made.label_counts().sum() == 6
    assert mirrored + same == 200
    assert 70 < mirrored < 130
    assert bool((made[2]["x_0"] == plain[2]["x_0"]).all())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-1], "ends before the 120 bytes of its shape"),
        (lambda b: b + b"\0", "goes on after the 120 bytes"),
        (lambda b: b[:7], "ends before its sizes"),
        (lambda b: b"", "ends before its magic number"),
        (lambda b: idx(LABELS), "it starts with labels"),
        (lambda b: b"\x89PNG" + b[4:], "it starts with magic 89504e47"),
        (lambda b: b[:4] + struct.pack(">3I", 2**31, 2**31, 2**31) + b[16:], "at most 2147483648 are read"),
        (lambda b: gzip.compress(b)[:-9], "cannot be read"),
        (lambda b: idx(IMAGES[:0]), "holds no image"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(folder, damage, message):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(GentoolError, match=message) as caught:
        open_(folder)
    assert str(path) in str(caught.value)


def test_options_that_do_not_fit_the_files_say_what_to_write(folder):
    with pytest.raises(GentoolError, match=r"are 5x4; write size = 5 or more"):
        open_(folder, size=4)
    with pytest.raises(GentoolError, match=r"has the label 9; write classes = 10"):
        open_(folder, classes=7)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:5]))
    with pytest.raises(GentoolError, match=r"5 labels, but .* has 6 images"):
        open_(folder)
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(GentoolError, match="has no labels of the train split"):
        open_(folder)
    with pytest.raises(GentoolError, match=r"write classes = 0"):
        open_(folder / "train-images-idx3-ubyte")


def test_a_packed_bomb_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(idx_files, "PIECE", 1000)
    bomb = gzip.compress(idx(np.zeros((1000, 20, 50), np.uint8)))
    assert len(bomb) < 2000
    (folder / "train-images-idx3-ubyte").write_bytes(bomb)
    with pytest.raises(GentoolError, match="unpacks to more than 100 times its size"):
        open_(folder)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=64),
        st.binary(max_size=64).map(lambda b: b"\0\0\x08\x03" + b),
        st.binary(max_size=64).map(gzip.compress),
    )
)
def test_any_bytes_give_an_array_or_a_gentool_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any-idx"
    path.write_bytes(content)
    with contextlib.suppress(GentoolError):
        assert idx_files.read_idx(str(path), dimensions=3).ndim == 3
