"""Image folders: what is found, what becomes of a file, what is refused and how."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gentoolkit.components.data import decoding
from gentoolkit.components.data.decoding import Decoding, UnusableError, decode
from gentoolkit.components.data.image_folder import ImageFolder
from gentoolkit.registry import Facts, GentoolError

FACTS = Facts()


def save(path, value=0, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def open_(source, **options):
    return ImageFolder(source=str(source), **{"size": 8, **options}).build(FACTS, {})


def decoded(path, sides=(8, 8), channels=3, resize="lanczos"):
    return decode(path, Decoding(sides, channels, resize))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for name, colour in (("dog/b.PNG", (0, 0, 200)), ("cat/deep/a.png", (200, 0, 0)), ("cat/z.bmp", (0, 200, 0))):
        save(root / name, colour)
    (root / "cat" / "notes.txt").write_text("no image")
    return root


def test_files_are_found_in_sorted_order_with_subfolders_as_classes(folder):
    made = open_(folder, classes=2)
    assert made.names == ["cat/deep/a.png", "cat/z.bmp", "dog/b.PNG"]
    assert made.labels().tolist() == [0, 0, 1]
    assert made[2]["y"] == 1
    x = made[0]["x_0"]
    assert x.dtype == torch.uint8
    assert tuple(x.shape) == ImageFolder(source="", size=8).spec().shape
    assert x[:, 3, 4].tolist() == [200, 0, 0]
    assert "y" not in open_(folder)[0]


def test_classes_are_checked_against_the_subfolders(folder):
    with pytest.raises(GentoolError, match=r"has 2 subfolders of images \(cat, dog\); write classes = 2"):
        open_(folder, classes=5)
    save(folder / "loose.png")
    with pytest.raises(GentoolError, match=r"loose.png lies in no subfolder.*classes = 0"):
        open_(folder, classes=2)


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(GentoolError, match="is no folder"):
        open_(tmp_path / "none")
    with pytest.raises(GentoolError, match="holds no image"):
        open_(tmp_path)


def test_crop_takes_the_centre_and_resizing_keeps_the_mean(tmp_path):
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    x = decoded(tmp_path / "wide.png", (8, 8))
    assert x.shape == (3, 8, 8)
    assert x.mean() == pytest.approx(pixels[:, 16:32].mean(), rel=0.03)
    exact = decoded(tmp_path / "wide.png", (16, 16))
    assert np.array_equal(exact, pixels[:, 16:32].transpose(2, 0, 1))
    tall = decoded(tmp_path / "wide.png", (16, 8), resize="bicubic")
    assert np.array_equal(tall, pixels[:, 20:28].transpose(2, 0, 1))


def test_a_checkerboard_shrinks_to_grey_not_to_black_or_white(tmp_path):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "board.png")
    x = decoded(tmp_path / "board.png", (8, 8), channels=1)
    assert x.shape == (1, 8, 8)
    assert np.abs(x.astype(int) - 127).max() <= 3


def test_height_and_width_and_grey(folder):
    data = ImageFolder(source=str(folder), size=(4, 6), channels=1)
    assert data.spec().shape == (1, 4, 6)
    assert not list(data.check(FACTS))
    assert tuple(data.build(FACTS, {})[0]["x_0"].shape) == (1, 4, 6)
    assert [c[0] for c in ImageFolder(source="", size=(1, 2, 3)).check(FACTS)] == ["size"]


def test_resize_none_demands_the_size(folder):
    assert len(open_(folder, resize="none")) == 3
    with pytest.raises(GentoolError, match=r"a.png is 8x8, not 16x16; write size = 8"):
        open_(folder, resize="none", size=16)


def test_transparency_shows_white_and_palettes_work(tmp_path):
    save(tmp_path / "clear.png", (10, 20, 30, 0), mode="RGBA")
    assert (decoded(tmp_path / "clear.png") == 255).all()
    save(tmp_path / "palette.png", 5, mode="P")
    assert decoded(tmp_path / "palette.png").shape == (3, 8, 8)


def test_exif_orientation_is_followed(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    assert decoded(tmp_path / "turned.png")[:, -1].min() == 255


def test_sixteen_bits_are_refused_not_clipped(tmp_path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(UnusableError, match="not of 8 bits"):
        decoded(tmp_path / "deep.png")


def damage(folder):
    whole = folder.parent / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(whole)
    (folder / "cat" / "y.png").write_bytes(whole.read_bytes()[:1500])


def test_a_damaged_file_stops_the_run_by_name(folder):
    damage(folder)
    with pytest.raises(GentoolError, match=r"cat/y.png cannot be decoded.*\n.*on_error = \"skip\""):
        open_(folder)


def test_or_is_named_counted_and_gives_way_to_the_next(folder):
    damage(folder)
    with pytest.warns(UserWarning, match=r"cat/y.png is passed over.*1 so far") as caught:
        made = open_(folder, on_error="skip", classes=2)
    assert len(caught) == 1
    assert list(made.bad) == ["cat/y.png"]
    assert made.names[1] == "cat/y.png"
    assert torch.equal(made[1]["x_0"], made[2]["x_0"])
    assert made[1]["y"] == 0


@pytest.mark.filterwarnings("ignore:.*is passed over")
def test_a_folder_of_damaged_files_ends_in_an_error(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.jpg").write_bytes(b"no image")
    with pytest.raises(GentoolError, match=r"3 images in a row cannot be used, 0.jpg the first"):
        open_(tmp_path, on_error="skip")


def test_other_formats_and_too_many_pixels_are_refused(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "disguised.png", format="GIF")
    with pytest.raises(UnusableError, match="is no readable PNG, JPEG, WEBP, BMP file"):
        decoded(tmp_path / "disguised.png")
    save(tmp_path / "large.png", size=(20, 20))
    monkeypatch.setattr(decoding, "PIXELS", 100)
    with pytest.raises(UnusableError, match="20x20 pixels, more than 100"):
        decoded(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(UnusableError, match="decompression bomb"):
        decoded(tmp_path / "large.png")


def test_links_that_leave_the_folder_are_not_followed(folder, tmp_path):
    save(tmp_path / "elsewhere" / "secret.png")
    os.symlink(folder / "cat" / "z.bmp", folder / "dog" / "inside.bmp")
    assert "dog/inside.bmp" in open_(folder).names
    os.symlink(tmp_path / "elsewhere" / "secret.png", folder / "dog" / "out.png")
    with pytest.raises(GentoolError, match=r"dog/out.png is a link out of the folder"):
        open_(folder)
    os.symlink(tmp_path / "elsewhere", folder / "birds")
    with pytest.warns(UserWarning, match="link out of the folder"):
        made = open_(folder, on_error="skip")
    assert set(made.bad) == {"birds", "dog/out.png"}
    assert len(made) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(folder):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(GentoolError, match=r"pipe.png is no ordinary file"):
        open_(folder)


def test_the_fingerprint_follows_files_and_options(folder):
    prints = {
        open_(folder, **o).fingerprint() for o in ({}, {"size": 4}, {"channels": 1}, {"classes": 2}, {"resize": "bicubic"})
    }
    assert len(prints) == 5
    assert open_(folder, flip=True).fingerprint() == open_(folder).fingerprint()
    save(folder / "cat" / "new.png")
    assert open_(folder).fingerprint() not in prints


HEADS = st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"RIFF\0\0\0\0WEBPVP8 "])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HEADS, st.binary(max_size=200))
def test_any_bytes_give_pixels_or_an_unusable_file(tmp_path, head, rest):
    path = tmp_path / "any.png"
    path.write_bytes(head + rest)
    with contextlib.suppress(UnusableError):
        assert decoded(path).shape == (3, 8, 8)
