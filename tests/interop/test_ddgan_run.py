"""Released weights as a run folder: sampled, measured and trained on like any other run."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentoolkit
from gentoolkit.cli import main
from gentoolkit.components.model import Condition
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints
from gentoolkit.engine.storage.whole import digest
from gentoolkit.interop.ddgan import import_discriminator, import_generator
from gentoolkit.interop.ddgan_run import import_run
from gentoolkit.registry import GentoolError

STORED = Path(__file__).parents[1] / "data" / "ddgan" / "tiny16_netG.pth"
CPU = World(0, 1, torch.device("cpu"))

spec = importlib.util.spec_from_file_location("published", Path(__file__).parents[2] / "benchmarks" / "published.py")
published = importlib.util.module_from_spec(spec)
spec.loader.exec_module(published)


@pytest.fixture
def judge(tmp_path):
    """A discriminator's file for 16x16 images."""
    weights, x = published.Weights(0), torch.zeros(2, 3, 16, 16)
    published.discriminator(weights, x, torch.zeros(2, dtype=torch.int64), x, width=4, embedding=16)
    torch.save(weights.file(), tmp_path / "netD.pth")
    return tmp_path / "netD.pth"


@pytest.fixture
def pictures(tmp_path):
    """A folder of eight random images."""
    (tmp_path / "pictures").mkdir()
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i}.png")
    return tmp_path / "pictures"


def test_the_run_is_the_released_network(tmp_path):
    """Both kinds of weights; step t is the authors' index t - 1; the grid starts where theirs does."""
    where = import_run(STORED, 16, 4, tmp_path / "run", None, ["sampler.batch=4"])
    theirs = import_generator(STORED, 16, 4)
    stored = torch.load(STORED.with_name("tiny16_io.pt"), weights_only=True)
    x, t, z = stored["x_k"], stored["t"], stored["z"]
    for weights in ("ema", "raw"):
        run = gentoolkit.load(where, weights=weights)
        assert torch.allclose(run.model.raw(x, t + 1, z, Condition()), theirs(x, t, z), atol=1e-6)
    assert run.step == 0
    assert run.model.process.grid.alpha[4].item() == pytest.approx(0.00657194247, rel=1e-5)
    samples = run.sample(3, seed=0)
    assert samples.shape == (3, 3, 16, 16)
    assert float(samples.abs().max()) <= 1


def test_the_discriminator_goes_into_it(tmp_path, judge):
    where = import_run(STORED, 16, 4, tmp_path / "run", judge)
    (path,) = checkpoints.committed(where / "checkpoints")
    _, table = checkpoints.load(path, CPU, only="net/discriminator/")
    theirs = import_discriminator(judge, 16).network.state_dict()
    assert set(table) == {f"net/discriminator/{n}" for n in theirs}
    assert all(torch.equal(table[f"net/discriminator/{n}"], v) for n, v in theirs.items())
    found = gentoolkit.load(where).recipe.method.discriminator
    assert (found.width, found.preset, found.stddev_layout, found.embedding) == (4, "small", "reference", 16)


def test_an_exported_model_carries_origin_and_licence(tmp_path, judge):
    where = import_run(STORED, 16, 4, tmp_path / "run", judge)
    card = (gentoolkit.export(where, tmp_path / "model") / "README.md").read_text()
    assert "trained with gentoolkit" not in card
    for file in (STORED, judge):
        assert f"| released weights `{file.name}` | sha256 `{digest(file)}` |" in card
    assert "| licence of these weights | NVIDIA Source Code License" in card
    assert "non-commercial" in card
    assert gentoolkit.load(tmp_path / "model").sample(2, seed=0).equal(gentoolkit.load(where).sample(2, seed=0))
    (where / "origin.json").write_text('{"files": {}}')
    with pytest.raises(GentoolError, match=r"origin.json, which says where the weights are from, cannot be read"):
        gentoolkit.export(where, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_training_goes_on_from_it(tmp_path, judge, pictures, capsys):
    where = import_run(
        STORED, 16, 4, tmp_path / "run", judge, [f"data.source={pictures}", "training.batch_size=4", "sampler.batch=4"]
    )
    before = gentoolkit.load(where)
    short = ["training.steps=1", "ema.decay=0", "observers.grid.every=100"]
    outcome = gentoolkit.train(where, short, quiet=True, allow_change=True)
    assert (outcome.start, outcome.step) == (0, 1)
    assert "update 'denoiser' has no optimizer in the checkpoint; its adam starts anew" in capsys.readouterr().err
    after = gentoolkit.load(where)
    moved = [float((a - b).abs().max()) for a, b in zip(before.model.parameters(), after.model.parameters(), strict=True)]
    assert 0 < max(moved) < 1.01e-4  # one step of Adam from the released weights, at the default rate


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.latent.layers=1", "[model] is what"),
        ("model.denoiser.tanh=false", "[model] is what"),
        ("model.denoiser.width=16", "[model] is what"),
        ("process.steps=8", "[process] is what"),
        ("method.discriminator.stddev_group=2", "the discriminator is what"),
        ("method=ddpm", "the discriminator is what"),
    ],
)
def test_overrides_leave_the_networks_alone(tmp_path, judge, override, said):
    with pytest.raises(GentoolError, match=re.escape(said)):
        import_run(STORED, 16, 4, tmp_path / "run", judge, [override])
    assert not (tmp_path / "run").exists()


def test_a_large_image_gets_a_large_judge(tmp_path):
    """Without a discriminator's file, a fresh one that fits."""
    where = import_run(STORED, (64, 128), 2, tmp_path / "run", None, ["method.discriminator.width=4"])
    run = gentoolkit.load(where)
    assert run.recipe.method.discriminator.preset == "large"
    assert run.facts.shape == (3, 64, 128)
    assert run.facts.steps == 2


def test_mistakes_leave_nothing_behind(tmp_path, judge):
    grey = published.Weights(0)
    x = torch.zeros(2, 1, 16, 16)
    published.discriminator(grey, x, torch.zeros(2, dtype=torch.int64), x, width=4, embedding=16)
    torch.save(grey.file(), tmp_path / "grey.pth")
    for said, arguments in (
        ("sides that 2 divides; 15x15 was given", (STORED, 15, 4)),
        ("images of 1 channels", (STORED, 16, 4, tmp_path / "run", tmp_path / "grey.pth")),
        ("holds a discriminator", (judge, 16, 4)),
        ("no option 'hue'", (STORED, 16, 4, tmp_path / "run", None, ["data.hue=3"])),
    ):
        with pytest.raises(GentoolError, match=said):
            import_run(*(arguments if len(arguments) > 3 else (*arguments, tmp_path / "run")))
        assert not (tmp_path / "run").exists()
    import_run(STORED, 16, 4, tmp_path / "run")
    with pytest.raises(GentoolError, match="holds a run already"):
        import_run(STORED, 16, 4, tmp_path / "run")


def gentool(capsys, monkeypatch, *arguments):
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["gentool", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_the_commands(tmp_path, judge, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ("import", "ddgan", STORED, "--image-size", "16x16", "--steps", "4", "--discriminator", judge)
    code, out, _ = gentool(
        capsys, monkeypatch, *asked, "sampler.batch=2", "metrics.speed.batches=[1]", "metrics.speed.repeats=1"
    )
    assert code == 0
    assert "non-commercial" in out
    assert "next: gentool sample runs/tiny16_netG" in out
    assert gentool(capsys, monkeypatch, "sample", "runs/tiny16_netG", "-n", 2, "-o", "two.npz")[0] == 0
    assert np.load("two.npz")["samples"].shape == (2, 3, 16, 16)
    code, out, _ = gentool(capsys, monkeypatch, "evaluate", "runs/tiny16_netG")
    assert code == 0
    assert "57027" in out  # 56 k of the denoiser, the mapping network with it

    code, _, err = gentool(capsys, monkeypatch, *asked[:3], "--image-size", "big", "--steps", "4")
    assert code == 2
    assert "--image-size is a number or HxW, not 'big'" in err
    code, _, err = gentool(capsys, monkeypatch, "import", "ddgan", "missing.pth", "--image-size", "16", "--steps", "4")
    assert (code, err) == (2, "error: there is no file missing.pth\n")
    torch.save({n: v for n, v in torch.load(STORED).items() if "Conv2d_0" not in n}, "less.pth")
    code, _, err = gentool(capsys, monkeypatch, "import", "ddgan", "less.pth", "--image-size", "16", "--steps", "4")
    assert code == 2
    assert "has all_modules.18, but no all_modules.6" in err
