"""Named sets: sizes, order, how many, labels; licence and citation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gentoolkit.components.data import Data, idx_sets
from gentoolkit.components.data.celeba_hq import CelebAHQ
from gentoolkit.components.data.lsun_church import LSUNChurch
from gentoolkit.components.data.mnist import MNIST, FashionMNIST
from gentoolkit.components.data.stacked_mnist import StackedMNIST
from gentoolkit.registry import Facts, GentoolError, get_registry
from gentoolkit.testing.sources import WRITERS, pictures, write_source

FACTS = Facts()


def build(config):
    return config.build(FACTS, {})


def test_every_named_set_has_a_licence_and_a_citation():
    for use in (*WRITERS, "digits", "stacked-digits", "gaussians25"):
        cls = get_registry().find("data", use)
        named = not use.startswith("image-") and use not in ("packed", "idx")
        assert (cls.licence != Data.licence) == (named or use == "idx"), use
        assert bool(cls.citation) == named, use
        if named and use in WRITERS:
            spec = cls(source="x").spec()
            assert (spec.licence, spec.citation) == (cls.licence, cls.citation)


def test_mnist_by_name_is_idx_with_a_margin(tmp_path):
    source = write_source("mnist", tmp_path)
    made = build(MNIST(source=source, size=32))
    grey = pictures(size=28).images[..., 0]
    assert made[4]["x_0"].shape == MNIST(source=source, size=32).spec().shape == (1, 32, 32)
    assert np.array_equal(made[4]["x_0"][0, 2:30, 2:30].numpy(), grey[4])
    assert made[4]["y"] == 0
    assert "y" not in build(MNIST(source=source, classes=0))[0]
    assert hasattr(build(FashionMNIST(source=source, flip=True)), "item")


def test_files_of_the_other_set_are_recognised(tmp_path, monkeypatch):
    source = write_source("mnist", tmp_path)
    from hashlib import sha256

    pixels = np.ascontiguousarray(pictures(size=28).images[..., 0])
    monkeypatch.setitem(idx_sets.PIXELS, sha256(pixels.data).hexdigest()[:16], "fashion-mnist")
    with pytest.raises(
        GentoolError, match=r'holds the train images of fashion-mnist, not of mnist; write use = "fashion-mnist"'
    ):
        build(MNIST(source=source))
    with pytest.raises(GentoolError, match="of fashion-mnist, not of mnist"):
        build(StackedMNIST(source=source))
    assert len(build(FashionMNIST(source=source))) == 11


def test_stacked_mnist_is_three_digits_with_the_combined_label(tmp_path):
    source = write_source("stacked-mnist", tmp_path, classes=10)
    config = StackedMNIST(source=source, images=300)
    assert (config.spec().shape, config.spec().labels) == ((3, 32, 32), 1000)
    made = build(config)
    known = pictures(size=28, classes=10)
    digits = {image[..., 0].tobytes(): int(y) for image, y in zip(known.images, known.labels, strict=True)}
    for i in range(0, 300, 37):
        item = made[i]
        found = [digits[np.ascontiguousarray(channel[2:30, 2:30]).tobytes()] for channel in item["x_0"].numpy()]
        assert item["y"] == 100 * found[0] + 10 * found[1] + found[2]
        assert int(item["x_0"][:, :2].max()) == int(item["x_0"][:, :, 30:].max()) == 0


def test_triple_i_is_a_function_of_seed_and_i(tmp_path):
    source = write_source("stacked-mnist", tmp_path, classes=10)
    few, many, other = (build(StackedMNIST(source=source, images=n, seed=s)) for n, s in ((20, 0), (500, 0), (20, 1)))
    assert all(bool((few[i]["x_0"] == many[i]["x_0"]).all()) for i in range(20))
    assert few.labels().tolist() != other.labels().tolist()
    assert len({few.fingerprint(), many.fingerprint(), other.fingerprint()}) == 3
    assert len(build(StackedMNIST(source=source))) == 120_000
    assert build(StackedMNIST(source=source, size=28))[0]["x_0"].shape == (3, 28, 28)


@pytest.mark.parametrize(
    ("config", "use", "published"), [(CelebAHQ, "celeba-hq", 27_000), (LSUNChurch, "lsun-church", 120_000)]
)
def test_the_first_so_many_images_are_the_set(tmp_path, config, use, published):
    assert config(source="x").images == published
    assert config(source="x").spec().shape == (3, 256, 256)
    source = write_source(use, tmp_path)
    with pytest.raises(GentoolError, match="holds 11 images; write images = 11 or fewer"):
        build(config(source=source, size=8))
    made, whole = build(config(source=source, size=8, images=4)), build(config(source=source, size=8, images=0, flip=True))
    assert (len(made), len(whole)) == (4, 11)
    assert all(bool((made[i]["x_0"] == whole[i]["x_0"]).all()) for i in range(4))
    assert made.fingerprint() != whole.fingerprint()


def test_celeba_from_a_folder_that_holds_train_lmdb_and_from_a_zip(tmp_path):
    home = tmp_path / "celeba-lmdb"
    home.mkdir()
    made = pictures()
    (WRITERS["celeba-hq"](made, home)).rename(home / "train.lmdb")
    found = build(CelebAHQ(source=str(home), size=8, images=11))
    assert np.array_equal(found[7]["x_0"].numpy(), made.images[7].transpose(2, 0, 1))
    assert len(build(CelebAHQ(source=write_source("image-zip", tmp_path), size=4, images=10))) == 10


def test_lsun_takes_the_centre_of_the_longer_side(tmp_path):
    import io

    import lmdb

    pixels = np.zeros((8, 20, 3), np.uint8)
    pixels[:, 6:14] = 200
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "webp", lossless=True)
    with lmdb.open(str(tmp_path / "church"), map_size=2**20) as env, env.begin(write=True) as view:
        view.put(b"a9", stream.getvalue())
    x = build(LSUNChurch(source=str(tmp_path / "church"), size=8, images=1))[0]["x_0"]
    assert bool((x == 200).all())
    assert sorted(p.name for p in (tmp_path / "church").iterdir()) == ["data.mdb", "lock.mdb"]
