"""`gentool data pack` and `check` as functions: what they make, how they go on, what they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gentoolkit
from gentoolkit.components.data import chunks, packing
from gentoolkit.components.data.chunks import each_chunk
from gentoolkit.components.data.looking import survey
from gentoolkit.components.data.packed import Packed
from gentoolkit.components.data.packing import pack
from gentoolkit.registry import Facts, GentoolError
from gentoolkit.testing.sources import WRITERS, pictures, write_source


def opened(path, **options):
    return Packed(source=str(path), **{"size": 8, **options}).build(Facts(), {})


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 2)


@pytest.mark.parametrize("use", [u for u in WRITERS if u != "packed"])
def test_anything_is_packed_and_read_as_it_was(tmp_path, use):
    source = write_source(use, tmp_path)
    made = pack(source, tmp_path / "out.zip", classes=0, workers=1)
    h, w, c = made.shape
    assert made.images == 11
    assert c == (1 if "mnist" in use or use == "idx" else 3)
    plain = opened(made.path, size=h, channels=c)
    from gentoolkit.components.data.decoding import Decoding, pixels_of
    from gentoolkit.components.data.opening import open_container

    container = open_container(source)
    for i in (0, 5, 10):
        wanted = pixels_of(container.read(i), Decoding((h, w), c, "none"))
        assert np.array_equal(plain[i]["x_0"].numpy(), wanted.transpose(2, 0, 1))
    with np.load(made.path) as arrays:
        assert arrays["images"].shape == (11, h, w, c)
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        assert archive.getinfo("images.npy").header_offset == 0
    assert not (tmp_path / "out.zip.part").exists()


def test_a_packed_set_may_be_packed_again_smaller(tmp_path):
    source = write_source("packed", tmp_path)
    made = gentoolkit.pack_data(source, tmp_path / "small.zip", size=(4, 6), channels=1, resize="bilinear", classes=2)
    assert made.shape == (4, 6, 1)
    found = opened(made.path, size=(4, 6), channels=1, classes=2)
    assert found[0]["x_0"].shape == (1, 4, 6)
    assert found.labels().tolist() == [0] * 6 + [1] * 5
    with pytest.raises(GentoolError, match="has the label 1; write classes = 2"):
        opened(made.path, classes=1)
    with pytest.raises(GentoolError, match="was packed without classes"):
        opened(pack(source, tmp_path / "none.zip").path, classes=2)


def test_several_processes_make_the_same_file(tmp_path, small_chunks):
    source = write_source("image-tar", tmp_path)
    seen = []
    one = pack(source, tmp_path / "one.zip", classes=2, workers=1, progress=lambda done, n: seen.append((done, n)))
    two = pack(source, tmp_path / "two.zip", classes=2, workers=2)
    assert one.path.read_bytes() == two.path.read_bytes()
    assert seen == [(2, 11), (4, 11), (6, 11), (8, 11), (10, 11), (11, 11)]


def test_every_chunk_is_done_once_whatever_the_number_of_processes(small_chunks):
    for workers in (1, 2, 3):
        assert sorted(each_chunk(list, range(25), 49, workers)) == [
            (k, list(range(2 * k, min(2 * k + 2, 49)))) for k in range(25)
        ]


def test_an_interrupted_packing_goes_on_with_what_is_missing(tmp_path, small_chunks):
    source, out = write_source("image-zip", tmp_path), tmp_path / "out.zip"

    def stop(done, n):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(source, out, classes=2, workers=1, progress=stop)
    assert not out.exists()
    with open(tmp_path / "out.zip.part" / "done.jsonl", "a") as journal:
        journal.write("[3, [")  # a line that was cut off counts for nothing
    seen = []
    made = pack(source, out, classes=2, workers=1, progress=lambda done, n: seen.append(done))
    assert made.resumed == 6
    assert seen == [8, 10, 11]
    assert out.read_bytes() == pack(source, tmp_path / "straight.zip", classes=2, workers=1).path.read_bytes()


def test_another_plan_or_a_changed_source_starts_again(tmp_path, small_chunks):
    source, out = write_source("image-zip", tmp_path), tmp_path / "out.zip"

    def stop(done, n):
        raise KeyboardInterrupt

    for options in ({}, {"size": 4}):
        with pytest.raises(KeyboardInterrupt):
            pack(source, out, workers=1, progress=stop, **options)
    assert pack(source, out, workers=1).resumed == 0


def test_a_killed_packing_leaves_nothing_under_the_name_and_goes_on(tmp_path):
    made = pictures(3000)
    source = str(WRITERS["celeba-hq"](made, tmp_path))
    code = (
        "import sys, time\n"
        "from gentoolkit.components.data.packing import pack\n"
        "pack(sys.argv[1], sys.argv[2], workers=2, progress=lambda done, n: time.sleep(0.1))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, source, str(tmp_path / "out.zip")])
    journal = tmp_path / "out.zip.part" / "done.jsonl"
    until = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") >= 3) and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(GentoolError, match="another process is packing into"):
        pack(source, tmp_path / "out.zip", workers=1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out.zip").exists()
    done = pack(source, tmp_path / "out.zip", workers=2)
    assert done.resumed >= 768
    with np.load(done.path) as arrays:
        assert np.array_equal(arrays["images"], made.images)


def damage(folder):
    (folder / "class0" / "00004.png").write_bytes(b"no image")
    Image.new("RGB", (9, 9)).save(folder / "class1" / "00003.png")


def test_images_that_cannot_be_used_end_it_by_name_or_are_left_out(tmp_path, small_chunks):
    source = write_source("image-folder", tmp_path)
    damage(Path(source))
    with pytest.raises(GentoolError, match=r"00004\.png is no readable.*\ngive --skip"):
        pack(source, tmp_path / "out.zip", workers=1)
    (Path(source) / "class1" / "00003.png").write_bytes(b"")
    made = pack(source, tmp_path / "out.zip", workers=2, skip=True, classes=2)
    assert made.images == 9
    assert [name for name, _ in made.passed_over] == ["class0/00004.png", "class1/00003.png"]
    assert made.passed_over[1][1].startswith("is no readable")
    found = opened(made.path, classes=2)
    kept = [i for i in range(11) if i not in (3, 4)]
    order = sorted(kept, key=lambda i: (i % 2, i))
    assert found.labels().tolist() == [i % 2 for i in order]
    for k, i in enumerate(order):
        assert np.array_equal(found[k]["x_0"].numpy(), pictures().images[i].transpose(2, 0, 1))


def test_a_wrong_size_asks_for_one(tmp_path, small_chunks):
    source = write_source("image-folder", tmp_path)
    damage(Path(source))
    (Path(source) / "class0" / "00004.png").unlink()
    for workers in (1, 2):
        with pytest.raises(GentoolError, match=r"00003\.png is 9x9, not of the size 8x8, .*give --size"):
            pack(source, tmp_path / "out.zip", workers=workers, skip=True)
    assert pack(source, tmp_path / "out.zip", size=4).images == 10


def test_killed_while_it_closes_gaps_it_starts_again(tmp_path, small_chunks, monkeypatch):
    source, out = write_source("image-folder", tmp_path), tmp_path / "out.zip"
    for name in ("class0/00004.png", "class1/00003.png"):
        (Path(source) / name).write_bytes(b"no image")
    honest = packing.Stored.local
    monkeypatch.setattr(packing.Stored, "local", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, workers=1, skip=True)
    monkeypatch.setattr(packing.Stored, "local", honest)
    made = pack(source, out, workers=1, skip=True)
    assert (made.resumed, made.images) == (0, 9)
    assert np.array_equal(opened(out)[8]["x_0"].numpy(), pictures().images[9].transpose(2, 0, 1))


def test_what_is_refused(tmp_path):
    source = write_source("image-zip", tmp_path)
    (tmp_path / "there.zip").touch()
    with pytest.raises(GentoolError, match=r"there\.zip exists already"):
        pack(source, tmp_path / "there.zip")
    with pytest.raises(GentoolError, match="there is no folder"):
        pack(source, tmp_path / "none" / "out.zip")
    (tmp_path / "text").write_text("not an image")
    with pytest.raises(GentoolError, match="text is not a folder of images, a zip or tar archive"):
        pack(str(tmp_path / "text"), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a.png", b"no image")
    with pytest.raises(GentoolError, match="holds no image that can be read"):
        pack(str(tmp_path / "bad.zip"), tmp_path / "out.zip")


def test_a_full_disk_is_seen_before_anything_is_decoded(tmp_path, monkeypatch):
    source = write_source("image-zip", tmp_path)
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100}))
    with pytest.raises(GentoolError, match=r"has 0\.0 GB of room, and the packed set needs"):
        pack(source, tmp_path / "out.zip", workers=1)


def test_a_process_that_is_killed_is_an_error_not_a_hang(small_chunks):
    def work(images):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(GentoolError, match="one of the processes was killed"):
        list(each_chunk(work, range(5), 10, 2))


def test_a_survey_counts_sizes_modes_formats_and_names_what_is_unusable(tmp_path, small_chunks):
    source = write_source("image-folder", tmp_path)
    damage(Path(source))
    Image.new("L", (5, 7)).save(Path(source) / "class1" / "grey.jpg")
    os.symlink("/etc/hostname", Path(source) / "class1" / "link.png")
    for workers in (1, 2):
        found = gentoolkit.check_data(source, workers=workers)
        assert (found.images, found.use, found.classes) == (12, "image-folder", 2)
        assert found.sizes == {(8, 8): 9, (9, 9): 1, (7, 5): 1}
        assert found.modes == {"RGB": 10, "L": 1}
        assert found.formats == {"PNG": 10, "JPEG": 1}
        assert [name for name, _ in found.unusable] == ["class1/link.png", "class0/00004.png"]
    raw = survey(write_source("idx", tmp_path))
    assert (raw.sizes, raw.modes, raw.formats, raw.classes) == ({(8, 8): 11}, {"L": 11}, {"raw": 11}, 2)
    assert survey(write_source("celeba-hq", tmp_path)).classes is None


def test_the_file_says_what_it_was_made_of(tmp_path):
    source = write_source("image-zip", tmp_path)
    made = pack(source, tmp_path / "out.zip", classes=2)
    with zipfile.ZipFile(made.path) as archive:
        about = json.loads(archive.read("pack.json"))
    assert (about["format"], about["images"], about["classes"], len(about["made_of"])) == (1, 11, 2, 64)
