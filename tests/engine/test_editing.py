"""Strokes, inpainting and interpolation: laws, what comes back exactly, and what is refused; the command as a user types it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image

import gentoolkit
from gentoolkit.cli import main
from gentoolkit.components.model import Condition
from gentoolkit.components.samplers.dpm_solver import DPMSolverPP
from gentoolkit.engine.assemble import build
from gentoolkit.engine.models.trained import TrainedRun, load_reference
from gentoolkit.engine.samples.editing import blended_states, inpaint_states, stroke_states
from gentoolkit.engine.samples.sampling import classes_of, sampling_draw
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `images` (latent, ten classes), `plain` (neither) and `points`, and pictures of several kinds."""
    folder = tmp_path_factory.mktemp("editing")
    for name, method, changed in (
        ("images", "ddgan", {"data": "digits", "condition": "class"}),
        ("plain", "ddpm", {"data": "digits"}),
        ("points", "ddgan", {}),
    ):
        table = tiny.recipe(method, folder / name, steps=2)
        if condition := changed.get("condition"):
            table["model"] = {**table["model"], "condition": condition}
        if "data" in changed:
            table["data"] = changed["data"]
        train(table, quiet=True)
    pixels = (np.arange(64).reshape(8, 8) * 4).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[4:] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    Image.fromarray(mask * 0).save(folder / "black.png")
    Image.new("RGB", (8, 6)).save(folder / "small.png")
    Image.fromarray((pixels * 37 % 251).astype(np.uint8)).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:70])
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def images(folders: Path) -> TrainedRun:
    return gentoolkit.load(folders / "images")


@pytest.fixture(scope="module")
def plain(folders: Path) -> TrainedRun:
    return gentoolkit.load(folders / "plain")


def picture() -> torch.Tensor:
    return torch.arange(64).reshape(1, 8, 8) * 4 / 127.5 - 1


def hole() -> torch.Tensor:
    return torch.cat([-torch.ones(1, 4, 8), torch.ones(1, 4, 8)], dim=1)


def test_results_are_a_function_of_seed_and_number(images: TrainedRun, folders: Path) -> None:
    """Also beyond the first chunk, and from a file as from a tensor."""
    made: list[Any] = [
        lambda n, seed: gentoolkit.from_strokes(images, folders / "picture.png", 2, n, seed),
        lambda n, seed: gentoolkit.inpaint(images, picture(), hole(), n, seed, repeats=2),
    ]
    for make in made:
        many = make(11, 3)
        assert many.shape == (11, 1, 8, 8)
        assert torch.equal(make(5, 3), many[:5])
        assert torch.equal(make(11, 3), many)
        assert not torch.equal(make(11, 4), many)
        assert len(torch.unique(many.flatten(1), dim=0)) == 11
    from_file, mask = folders / "picture.png", folders / "mask.png"
    assert torch.equal(gentoolkit.inpaint(images, from_file, mask, 3), gentoolkit.inpaint(images, picture(), hole(), 3))
    assert torch.equal(gentoolkit.from_strokes(images, str(from_file), 2, 3), gentoolkit.from_strokes(images, picture(), 2, 3))


@torch.no_grad()
def test_strokes_begin_with_the_noised_painting_and_go_down_as_usual(plain: TrainedRun) -> None:
    rng = sampling_draw(5, 0, 8, plain.model)
    found = list(stroke_states(plain.sampler, plain.model, (1, 8, 8), rng, Condition(), painting=picture(), t=3))
    assert [s.t for s in found] == [3, 2, 1, 0]
    eps = sampling_draw(5, 0, 8, plain.model).scope("strokes").normal("eps", (1, 8, 8))
    x_3 = plain.model.process.marginal(picture().expand(8, -1, -1, -1), torch.full((8,), 3), eps)
    assert torch.equal(found[0].x, x_3)
    state = found[0]
    while state.t:
        state = plain.sampler.step(plain.model, state, sampling_draw(5, 0, 8, plain.model), Condition())
    assert torch.equal(gentoolkit.from_strokes(plain, picture(), 3, 8, seed=5), state.x)
    another = gentoolkit.from_strokes(plain, -picture(), 3, 8, seed=5)
    assert not torch.equal(another, state.x)


def test_what_is_known_comes_back_exactly(images: TrainedRun) -> None:
    for repeats in (1, 3):
        made = gentoolkit.inpaint(images, picture(), hole(), 6, repeats=repeats)
        assert torch.equal(made[:, :, :4], picture()[:, :4].expand(6, 1, 4, 8))
        assert not torch.equal(made[:, :, 4:], picture()[:, 4:].expand(6, 1, 4, 8))
    other = gentoolkit.inpaint(images, -picture(), hole(), 6, repeats=3)
    assert not torch.equal(other[:, :, 4:], made[:, :, 4:]), "what is known decides what is filled in"


def test_with_nothing_known_inpainting_is_sampling(images: TrainedRun) -> None:
    assert torch.equal(gentoolkit.inpaint(images, picture(), torch.ones(1, 8, 8), 9, seed=2), images.sample(9, seed=2))
    y = [3, 1, 4]
    assert torch.equal(gentoolkit.inpaint(images, picture(), torch.ones(1, 8, 8), 3, 2, y), images.sample(3, 2, y))


@torch.no_grad()
def test_the_known_part_has_the_noise_of_every_level(plain: TrainedRun) -> None:
    """Mean alpha x_0 and deviation sigma where the picture is kept, in every state, also when steps are repeated."""
    rng = sampling_draw(0, 0, 400, plain.model)
    keep = hole() <= 0
    walk = inpaint_states(plain.sampler, plain.model, (1, 8, 8), rng, Condition(), picture(), keep, repeats=2)
    evaluations = 0
    for state in walk:
        alpha, sigma = (float(v[state.t]) for v in (plain.model.process.grid.alpha, plain.model.process.grid.sigma))
        noise = state.x[:, :, :4] - alpha * picture()[:, :4]
        assert abs(float(noise.mean())) <= 5 * sigma / noise.numel() ** 0.5
        assert float(noise.std()) == pytest.approx(sigma, rel=0.03, abs=1e-6)
        evaluations = state.evaluations
    assert evaluations == 2 * 3 + 1, "every step but the last twice"


def test_repeats_with_a_sampler_that_remembers(plain: TrainedRun) -> None:
    """What goes back to more noise has no memory of less: dpm-solver++ takes the repeated step as its first."""
    sampler = build(DPMSolverPP(batch=8), plain.facts, plain.parts, load_reference)
    rng = sampling_draw(0, 0, 8, plain.model)
    with torch.no_grad():
        last = list(inpaint_states(sampler, plain.model, (1, 8, 8), rng, Condition(), picture(), hole() <= 0, repeats=3))[-1]
    assert last.t == 0
    assert bool(last.x.isfinite().all())
    assert torch.equal(last.x[:, :, :4], picture()[:, :4].expand(8, 1, 4, 8))


@pytest.mark.parametrize("name", ["images", "plain", "points"])
def test_the_way_begins_and_ends_at_samples_of_its_seeds(folders: Path, name: str) -> None:
    """Past that of the seed between; more places are between the same ends."""
    run = gentoolkit.load(folders / name)
    y = 4 if name == "images" else None
    ends = [run.sample(1, seed, y)[0] for seed in (3, 0, 7)]
    made = gentoolkit.interpolate(run, [3, 0, 7], 9, y)
    for place, end in zip((0, 4, 8), ends, strict=True):
        assert torch.allclose(made[place], end, atol=1e-5)
    assert not torch.allclose(made[2], made[4], atol=1e-5)
    assert torch.allclose(gentoolkit.interpolate(run, [3, 0, 7], 17, y)[::2], made, atol=1e-5)
    if name == "images":
        first = int(classes_of(3, 0, 1, 10, run.label_counts))
        assert torch.equal(gentoolkit.interpolate(run, [3, 7], 5), gentoolkit.interpolate(run, [3, 7], 5, first))


@torch.no_grad()
def test_the_way_is_smooth_in_all_noise(images: TrainedRun) -> None:
    """Neighbours are nearer than ends, z's included: a latent that jumped would show as a jump in the samples."""
    rng = sampling_draw(0, 0, 64, images.model)
    y = torch.full((64,), 2)
    last = list(blended_states(images.sampler, images.model, (1, 8, 8), rng, Condition(y=y), [1, 2], 64))[-1].x.flatten(1)
    stride = (last[1:] - last[:-1]).norm(dim=1)
    assert float(stride.max()) < 0.2 * float((last[0] - last[-1]).norm())
    assert float(stride.min()) > 0


BAD = [
    (lambda r, f: gentoolkit.from_strokes(r, f / "picture.png", 0), "from_step is 1 or more, not 0"),
    (lambda r, f: gentoolkit.from_strokes(r, f / "picture.png", 5), "from_step goes from 1 to the run's T = 4, not to 5"),
    (lambda r, f: gentoolkit.from_strokes(r, f / "none.png", 2), r"the painting .*none.png does not exist"),
    (lambda r, f: gentoolkit.from_strokes(r, f, 2), "is a folder"),
    (lambda r, f: gentoolkit.from_strokes(r, f / "small.png", 2), r"small.png is 6x8, not of the size 8x8 \(height x width\)"),
    (lambda r, f: gentoolkit.from_strokes(r, f / "cut.png", 2), "cut.png cannot be decoded"),
    (lambda r, f: gentoolkit.from_strokes(r, f / "text.png", 2), "is no readable PNG"),
    (lambda r, f: gentoolkit.from_strokes(r, torch.zeros(3, 8, 8), 2), r"the painting is \[3, 8, 8\], and must be \[1, 8, 8\]"),
    (lambda r, f: gentoolkit.from_strokes(r, torch.full((1, 8, 8), torch.nan), 2), "not finite"),
    (lambda r, f: gentoolkit.inpaint(r, picture(), f / "black.png"), "the mask is black all over"),
    (lambda r, f: gentoolkit.inpaint(r, picture(), hole(), repeats=0), "the number of repeats is 1 or more"),
    (lambda r, f: gentoolkit.inpaint(r, picture(), hole(), y=10), "y must be a class from 0 to 9"),
    (lambda r, f: gentoolkit.interpolate(r, [1]), "fewer than two seeds"),
    (lambda r, f: gentoolkit.interpolate(r, [1, -2]), "a seed is 0 or more, not -2"),
    (lambda r, f: gentoolkit.interpolate(r, [1, 2], 1), "on the way is 2 or more"),
    (
        lambda r, f: gentoolkit.from_strokes(gentoolkit.load(f / "points"), picture(), 2),
        "makes points, not images: there is nothing to paint on",
    ),
]


@pytest.mark.parametrize(("call", "said"), BAD)
def test_what_cannot_be_edited_is_said(images: TrainedRun, folders: Path, call: Any, said: str) -> None:
    with pytest.raises(GentoolError, match=said):
        call(images, folders)


def test_channels_that_no_file_has(plain: TrainedRun, folders: Path) -> None:
    two = object.__new__(TrainedRun)
    two.__dict__.update({**plain.__dict__, "facts": evolve(plain.facts, shape=(2, 8, 8))})
    with pytest.raises(GentoolError, match="images of 2 channels cannot be read from a file"):
        gentoolkit.from_strokes(two, folders / "picture.png", 2)


def gentool(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """(exit code, all that was said) of `gentool edit`."""
    monkeypatch.setattr(sys, "argv", ["gentool", "edit", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out + said.err


def test_the_command(folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three makes what the library makes; what does not go together is refused."""
    monkeypatch.chdir(folders)
    run = gentoolkit.load("images")
    strokes = ("--strokes", "picture.png", "--from-step", "3", "--y", "5")
    fill = ("--inpaint", "mask.png", "--image", "picture.png", "--repeats", "2")
    for arguments, wanted in (
        ((*strokes, "--seed", "2"), gentoolkit.from_strokes(run, picture(), 3, 4, 2, 5)),
        (fill, gentoolkit.inpaint(run, picture(), hole(), 4, repeats=2)),
        (("--interpolate", "3,7"), gentoolkit.interpolate(run, [3, 7], 4)),
    ):
        code, said = gentool(capsys, monkeypatch, "images", *arguments, "-n", "4", "-o", "made.npz")
        assert (code, said) == (0, "4 results (ema weights of step 2) in made.npz\n")
        assert np.array_equal(np.load("made.npz")["samples"], wanted.numpy())
    assert gentool(capsys, monkeypatch, "images", *strokes, "-n", "4")[0] == 0
    assert Image.open("edited.png").format == "PNG"
    ddim = ("sampler=ddim", "sampler.steps=2")
    assert gentool(capsys, monkeypatch, "plain", *ddim, "--interpolate", "3,7", "-o", "ddim.npz")[0] == 0
    wanted = gentoolkit.interpolate(gentoolkit.load("plain", overrides=ddim), [3, 7], 8)
    assert np.array_equal(np.load("ddim.npz")["samples"], wanted.numpy())
    assert not torch.equal(gentoolkit.interpolate(gentoolkit.load("plain"), [3, 7], 8), wanted)
    assert "without a latent" in gentool(capsys, monkeypatch, "images", *ddim, "--interpolate", "3,7")[1]
    assert gentool(capsys, monkeypatch, "images", *fill, "-n", "2", "--weights", "raw", "-o", "raw.zip")[0] == 0
    for arguments, complaint in (
        ((), "say one of --strokes, --inpaint and --interpolate"),
        ((*strokes, "--interpolate", "1,2"), "say one of"),
        (("--strokes", "picture.png"), "--strokes needs --from-step"),
        (("--inpaint", "mask.png"), "--inpaint needs --image"),
        (("--interpolate", "1,2", "--image", "picture.png"), "--image goes with --inpaint"),
        ((*strokes, "--repeats", "2"), "--repeats goes with --inpaint"),
        (("--interpolate", "1,x"), "separated by commas, as 3,7, not '1,x'"),
        (("--interpolate", "1,2", "--seed", "1"), "leave --seed out"),
        ((*strokes, "-o", "made.gif"), "samples go to a file that ends in"),
        (("--strokes", "small.png", "--from-step", "1"), "scale it to that size first"),
    ):
        code, said = gentool(capsys, monkeypatch, "images", *arguments)
        assert code == 2
        assert complaint in said
        assert "Traceback" not in said
    assert "points go to .npz" in gentool(capsys, monkeypatch, "points", "--interpolate", "1,2", "-o", "a.zip")[1]
