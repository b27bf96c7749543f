"""Every container gives the same pictures: out of zip, tar, LMDB, parquet and packed files, by name and with classes."""

from __future__ import annotations

import copy
import io
import json
import pickle
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from gentoolkit.components.data.image_folder import ImageFolder
from gentoolkit.components.data.image_lmdb import ImageLmdb
from gentoolkit.components.data.image_parquet import ImageParquet
from gentoolkit.components.data.image_tar import ImageTar
from gentoolkit.components.data.image_zip import ImageZip
from gentoolkit.components.data.opening import open_container
from gentoolkit.components.data.packed import Packed
from gentoolkit.registry import Facts, GentoolError
from gentoolkit.testing.sources import pictures, write_source

SOURCES = {
    "image-folder": ImageFolder,
    "image-zip": ImageZip,
    "image-tar": ImageTar,
    "image-lmdb": ImageLmdb,
    "image-parquet": ImageParquet,
    "packed": Packed,
    "celeba-hq": ImageLmdb,  # its layout of an LMDB
}
LABELLED = {"image-folder", "image-zip", "image-tar", "image-parquet", "packed"}
MADE = pictures()


def open_(use, source, **options):
    return SOURCES[use](source=str(source), **{"size": 8, **options}).build(Facts(), {})


@pytest.fixture(params=SOURCES)
def use(request):
    return request.param


def wanted(use):
    """Images and labels in the order in which a container has them: by name, or as they were written."""
    order = np.arange(len(MADE.images))
    if use in ("image-folder", "image-zip", "packed"):  # by name; the packed set was made of the zip
        order = np.argsort(MADE.labels, kind="stable")
    if use == "image-lmdb":
        order = np.argsort([f"{i * 2654435761 % 2**32:08x}" for i in range(len(MADE.images))])
    return MADE.images[order].transpose(0, 3, 1, 2), MADE.labels[order]


def test_images_and_classes_are_those_that_were_put_in(use, tmp_path):
    made = open_(use, write_source(use, tmp_path), **({"classes": 2} if use in LABELLED else {}))
    images, labels = wanted(use)
    assert len(made) == 11
    found = np.stack([made[i]["x_0"].numpy() for i in range(11)])
    if use == "image-lmdb":  # WebP loses a little
        assert np.abs(found.mean((1, 2, 3)) - images.mean((1, 2, 3))).max() < 12
    else:
        assert np.array_equal(found, images)
    if use in LABELLED:
        assert [made[i]["y"] for i in range(11)] == made.labels().tolist() == labels.tolist()
        assert made.label_counts().tolist() == [6, 5]
    else:
        assert "y" not in made[0]
    assert "y" not in open_(use, write_source(use, tmp_path / "again"))[0]


def test_fill_is_the_items_one_after_the_other(use, tmp_path):
    source = write_source(use, tmp_path)
    for options in ({"flip": True}, {"flip": True, "size": (5, 6), "resize": "bilinear"}):
        made = open_(use, source, **options)
        indices = np.array([3, 0, 10, 3])
        out = np.zeros((4, *made[0]["x_0"].shape[1:], 3), np.uint8)
        made.fill(out, indices, [np.random.default_rng(k) for k in range(4)])
        for k, i in enumerate(indices):
            assert np.array_equal(out[k].transpose(2, 0, 1), made.item(int(i), np.random.default_rng(k))["x_0"].numpy())


def test_a_set_may_be_sent_to_another_process(use, tmp_path):
    made = open_(use, write_source(use, tmp_path))
    before = made[4]["x_0"]
    sent = pickle.loads(pickle.dumps(made))
    assert bool((sent[4]["x_0"] == before).all())
    assert sent.fingerprint() == made.fingerprint()
    assert bool((copy.copy(made)[10]["x_0"] == made[10]["x_0"]).all())


def test_the_container_is_recognised_by_what_it_holds(use, tmp_path):
    source = write_source(use, tmp_path)
    container = open_container(source)
    assert container.use == {"celeba-hq": "image-lmdb"}.get(use, use)
    assert len(container.names) == 11
    if use in LABELLED:
        assert sorted(container.labels(None).tolist()) == sorted(MADE.labels.tolist())


def test_the_fingerprint_follows_content_classes_and_options(tmp_path):
    source = write_source("image-zip", tmp_path)
    prints = {open_("image-zip", source, **o).fingerprint() for o in ({}, {"size": 4}, {"channels": 1}, {"classes": 2})}
    assert len(prints) == 4
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            changed = name == "class1/00001.png"
            new.writestr(name, old.read("class1/00003.png" if changed else name))
    assert open_("image-zip", other).fingerprint() not in prints
    assert open_("image-zip", source, flip=True).fingerprint() in prints


def repack(source, to, change):
    """A zip archive with `change(name, content) -> content or None` applied to each member."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"{", 'has no table "labels"'),
        (b"[1]", 'has no table "labels"'),
        (b'{"labels": null}', "has no labels; write classes = 0"),
        (b'{"labels": []}', "has no label for class0/00000.png"),
        (b'{"labels": [["class0/00000.png", [1, 0]]]}', "has the label .1, 0., which is no class for class0/00000.png"),
        (b'{"labels": [["class0/00000.png", 7]]}', "has the label 7 .*write classes = 8 or more"),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path, table, message):
    source = write_source("image-zip", tmp_path)
    other = repack(source, tmp_path / "other.zip", lambda name, body: table if name == "dataset.json" else body)
    with pytest.raises(GentoolError, match=message):
        open_("image-zip", other, classes=2)
    assert len(open_("image-zip", other)) == 11


def test_without_a_table_folders_are_classes(tmp_path):
    source = write_source("image-zip", tmp_path)
    other = repack(source, tmp_path / "other.zip", lambda name, body: None if name == "dataset.json" else body)
    assert open_("image-zip", other, classes=2).labels().tolist() == [0] * 6 + [1] * 5
    with pytest.raises(GentoolError, match=r"has 2 subfolders of images \(class0, class1\); write classes = 2"):
        open_("image-zip", other, classes=3)


def test_a_folder_may_have_a_table_too(tmp_path):
    source = write_source("image-folder", tmp_path)
    names = open_("image-folder", source).names
    table = {"labels": [[name, i % 3] for i, name in enumerate(names)]}
    (tmp_path / "image-folder" / "pictures" / "dataset.json").write_text(json.dumps(table))
    assert open_("image-folder", source, classes=3).labels().tolist() == [i % 3 for i in range(11)]


def test_macos_leaves_no_images_behind(tmp_path):
    source = write_source("image-zip", tmp_path)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("__MACOSX/class0/._00000.png", b"no image")
        archive.writestr("class0/._00001.png", b"no image")
    assert len(open_("image-zip", source)) == 11


def tar(path, members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_names_of_every_length_and_alphabet(tmp_path, layout):
    _, content = MADE.files()[0]
    names = ["a.png", "f" * 80 + "/" + "g" * 90 + ".png"]
    if layout != tarfile.USTAR_FORMAT:
        names += ["ü" * 120 + ".png", "h" * 300 + ".png"]
    made = open_("image-tar", tar(tmp_path / "x.tar", [(n, content) for n in names], format=layout))
    assert list(made.names) == names
    assert np.array_equal(made[len(names) - 1]["x_0"].numpy(), MADE.images[0].transpose(2, 0, 1))


def test_tar_classes_by_folder_table_or_beside(tmp_path):
    files = MADE.files()
    plain = tar(tmp_path / "plain.tar", files)
    assert open_("image-tar", plain, classes=2).labels().tolist() == MADE.labels.tolist()
    table = json.dumps({"labels": [[name, 4] for name, _ in files]}).encode()
    assert (
        open_("image-tar", tar(tmp_path / "t.tar", [*files, ("dataset.json", table)]), classes=5).labels().tolist() == [4] * 11
    )
    shards = write_source("image-tar", tmp_path)
    with pytest.raises(GentoolError, match=r"001.tar/00005.png is of class 1; write classes = 2|00001.png is of class 1"):
        open_("image-tar", shards, classes=1)
    with pytest.raises(GentoolError, match=r"a.png has no number in a .cls member"):
        open_("image-tar", tar(tmp_path / "c.tar", [("a.png", files[0][1]), ("b.cls", b"1")]), classes=2)


def test_shards_by_folder_or_pattern_and_a_compressed_one(tmp_path):
    shards = write_source("image-tar", tmp_path)
    made = open_("image-tar", f"{shards}/0*.tar")
    assert list(made.names[:1]) == ["000.tar/00000.png"]
    assert len(open_("image-tar", f"{shards}/001.tar")) == 6
    assert ImageTar(source=f"{shards}/0*.tar", size=8).files() == (shards,)
    with pytest.raises(GentoolError, match="no pattern that any file matches"):
        open_("image-tar", f"{shards}/9*.tar")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(f"{shards}/000.tar")
    with pytest.raises(GentoolError, match=r"it is compressed.*unpack it first"):
        open_("image-tar", tmp_path / "x.tar.gz")
    with pytest.raises(GentoolError, match=r"it is compressed.*unpack it first"):
        open_container(str(tmp_path / "x.tar.gz"))


def test_lmdb_leaves_the_folder_alone_and_orders_numbers(tmp_path):
    import lmdb

    source = write_source("celeba-hq", tmp_path)
    folder = tmp_path / "celeba-hq" / "raw.lmdb"
    before = sorted(p.name for p in folder.iterdir())
    one, two = open_("celeba-hq", source), open_("celeba-hq", source)
    assert list(one.names) == [str(i) for i in range(11)]
    assert bool((one[2]["x_0"] == two[2]["x_0"]).all())
    assert sorted(p.name for p in folder.iterdir()) == before
    assert len(open_("celeba-hq", folder / "data.mdb")) == 11
    with lmdb.open(str(tmp_path / "odd.lmdb"), map_size=2**20) as env, env.begin(write=True) as view:
        view.put(b"0", bytes(100))
    with pytest.raises(GentoolError, match=r"odd\.lmdb: 0 is no readable"):
        open_("image-lmdb", tmp_path / "odd.lmdb")


def test_parquet_columns_by_name_plain_bytes_and_what_is_missing(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    source = write_source("image-parquet", tmp_path)
    bodies = [content for _, content in MADE.files()]
    table = pa.table({"picture": bodies, "kind": MADE.labels, "text": ["x"] * 11})
    parquet.write_table(table, tmp_path / "plain.parquet", row_group_size=3)
    made = open_("image-parquet", tmp_path / "plain.parquet", image="picture", label="kind", classes=2)
    assert made.labels().tolist() == MADE.labels.tolist()
    for i in (7, 2, 3, 10, 9, 0):
        assert np.array_equal(made[i]["x_0"].numpy(), MADE.images[i].transpose(2, 0, 1))
    with pytest.raises(GentoolError, match=r"no column 'image' of bytes .*picture, kind, text.*write image ="):
        open_("image-parquet", tmp_path / "plain.parquet")
    with pytest.raises(GentoolError, match=r"no column 'label' of whole numbers \(there is: kind\)"):
        open_("image-parquet", tmp_path / "plain.parquet", image="picture", classes=2)
    with pytest.raises(GentoolError, match=r"labels from 0 to 1; write classes = 2"):
        open_("image-parquet", source, classes=1)
    parquet.write_table(pa.table({"img": bodies}), tmp_path / "img.parquet")
    assert len(open_("image-parquet", tmp_path / "img.parquet")) == 11
    parquet.write_table(pa.table({"image": [bodies[0], None]}), tmp_path / "gap.parquet")
    with pytest.raises(GentoolError, match="row 1 is empty"):
        open_("image-parquet", tmp_path / "gap.parquet")


@pytest.mark.parametrize(("use", "package"), [("image-lmdb", "lmdb"), ("image-parquet", "pyarrow.parquet")])
def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch, use, package):
    source = write_source(use, tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(GentoolError, match=r'pip install "gentoolkit\[data\]"'):
        open_(use, source)


def test_grey_images_in_colour_and_colour_in_grey(tmp_path):
    Image.fromarray(MADE.images[0][..., 0]).save(tmp_path / "grey.png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "grey.png", "grey.png")
    x = open_("image-zip", tmp_path / "x.zip")[0]["x_0"]
    assert bool((x == x[:1]).all())
    packed = open_("packed", write_source("packed", tmp_path), channels=1)[0]["x_0"]
    assert np.array_equal(packed[0].numpy(), np.asarray(Image.fromarray(MADE.images[0]).convert("L")))


def test_a_crop_of_the_very_size_takes_whole_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 13, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    x = open_("image-folder", tmp_path)[0]["x_0"]
    assert np.array_equal(x.numpy(), pixels[:, 2:10].transpose(2, 0, 1))
