"""`gentool data`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gentoolkit.testing.sources import write_source

from .test_commands import gentool
from .test_start import imported


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pack_check_and_train_on_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_source("image-zip", here)
    code, out, err = gentool(capsys, "data", "check", source)
    assert (code, err) == (0, "")
    assert "checking  11/11" in out
    assert f"{source}: 11 images, read by image-zip" in out
    for line in ("sizes    8x8 (11)", "modes    RGB (11)", "formats  PNG (11)", "classes  2", "every image can be read"):
        assert line in out.splitlines()
    code, out, err = gentool(capsys, "data", "pack", source, "out.zip", "--classes", "2", "--workers", "1")
    assert (code, err) == (0, "")
    assert "out.zip: 11 images 8x8, 3 channels, 0.0 MB" in out
    assert "next: gentool train RECIPE data.use=packed data.source=out.zip data.size=8 data.classes=2" in out
    tiny = ["training.steps=2", "training.batch_size=4", "model.denoiser.width=4", "method.discriminator.width=4"]
    data = ["data.use=packed", "data.source=out.zip", "data.size=8", "data.classes=2", 'drop=["metrics.modes"]']
    code, out, err = gentool(capsys, "train", "digits/ddgan", *tiny, *data, "--dry-run")
    assert (code, err) == (0, "")


def test_options_of_pack(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_source("image-parquet", here)
    options = ["--size", "4x6", "--channels", "1", "--resize", "bilinear", "--image-column", "image"]
    code, out, _ = gentool(capsys, "data", "pack", source, "out.zip", *options)
    assert code == 0
    assert "out.zip: 11 images 4x6, 1 channels" in out
    assert "data.size=[4, 6] data.channels=1" in out
    code, _, err = gentool(capsys, "data", "pack", source, "out.zip")
    assert (code, "out.zip exists already" in err) == (2, True)
    for size in ("big", "0", "4x0"):
        code, _, err = gentool(capsys, "data", "pack", source, "other.zip", "--size", size)
        assert (code, "--size takes 256, or 128x256" in err) == (2, True)


def test_unusable_images_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_source("image-folder", here, n=60)
    for k in range(0, 60, 2):
        (Path(source) / "class0" / f"{k:05d}.png").write_bytes(b"no image")
    Image.new("RGB", (9, 5)).save(Path(source) / "class1" / "00001.png")
    code, out, err = gentool(capsys, "data", "check", source)
    assert code == 2
    assert "sizes    8x8 (29), 5x9 (1)" in out
    assert "30 cannot be used:" in err
    assert "class0/00002.png is no readable PNG, JPEG, WEBP, BMP file" in err
    assert "... and 10 more" in err
    assert "... and" not in gentool(capsys, "data", "check", source, "--all")[2]
    code, _, err = gentool(capsys, "data", "pack", source, "out.zip", "--size", "8")
    assert (code, "00000.png is no readable" in err, "give --skip" in err) == (2, True, True)
    code, out, err = gentool(capsys, "data", "pack", source, "out.zip", "--skip")
    assert (code, "is 8x8, not of the size 5x9, which the first image has; give --size" in err) == (2, True)
    code, out, err = gentool(capsys, "data", "pack", source, "out.zip", "--skip", "--size", "8")
    assert (code, "30 left out:" in err, "out.zip: 30 images 8x8" in out) == (0, True, True)


def test_what_is_no_source(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = gentool(capsys, "data", "check", "nowhere.zip")
    assert (code, err) == (2, "error: nowhere.zip is no file; write where it is as source in [data]\n")


def test_a_named_set_says_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = gentool(capsys, "explain", "data", "celeba-hq")
    assert "licence: non-commercial research and education only (CelebA's agreement)" in out
    assert "citation: Karras, Aila, Laine, Lehtinen (2018)" in out
    _, out, _ = gentool(capsys, "explain", "data", "image-zip")
    assert "licence" not in out


@pytest.mark.parametrize("arguments", [["data", "--help"], ["data", "pack", "--help"], ["explain", "data", "cifar10"]])
def test_help_imports_nothing_of_weight(arguments: list[str], tmp_path: Path) -> None:
    assert not imported(arguments, tmp_path) & {"torch", "timm", "sklearn", "numpy", "rich", "PIL"}


def test_check_and_pack_do_without_torch(tmp_path: Path) -> None:
    source = write_source("image-zip", tmp_path)
    for arguments in (["data", "check", source], ["data", "pack", source, "out.zip"]):
        assert not imported(arguments, tmp_path) & {"torch", "timm", "sklearn", "rich"}
