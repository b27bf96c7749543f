"""Every shipped recipe is built at its real size, and takes two real steps at a tiny one."""

from __future__ import annotations

import gzip
import json
import math
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gentoolkit
from gentoolkit.recipe import shipped

from . import tiny

NAMES = sorted(shipped())
TINY = {
    "ncsnpp": ["width=4", "mults=[1,1]", "blocks=1", "attention=[1]"],
    "adm": ["width=4", "mults=[1,2]", "blocks=1", "attention=[1]", "head_channels=4"],
    "unet": ["width=4", "mults=[1,1]"],
    "mlp": ["width=8", "depth=2"],
}
SMALL = {
    "time-conv": ["width=4", "embedding=8", "mults=[1,1]", "full=1"],
    "conv": ["width=4", "mults=[1,1]"],
    "mlp": ["width=8", "depth=2"],
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Overrides that point each kind of data at a few small files."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    with zipfile.ZipFile(folder / "cifar.zip", "w") as archive:
        for i in range(12):
            png = BytesIO()
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(png, "PNG")
            archive.writestr(f"{i}.png", png.getvalue())
        archive.writestr("dataset.json", json.dumps({"labels": [[f"{i}.png", i % 10] for i in range(12)]}))
    (folder / "images").mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "images" / f"{i}.png")
    idx(folder / "train-images-idx3-ubyte.gz", rng.integers(0, 256, (40, 28, 28), dtype=np.uint8))
    idx(folder / "train-labels-idx1-ubyte.gz", (np.arange(40) % 10).astype(np.uint8))
    few = [f"data.source={folder / 'images'}", "data.size=32", "data.images=12"]
    return {
        "cifar10": [f"data.source={folder / 'cifar.zip'}"],
        "stacked-mnist": [f"data.source={folder}", "data.images=64"],
        "celeba-hq": few,
        "lsun-church": few,
    }


def idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def made_tiny(name: str) -> list[str]:
    """Overrides that shrink a recipe's networks and training, and leave everything else as it is."""
    recipe = gentoolkit.check(name).recipe
    changes = [f"model.denoiser.{c}" for c in TINY[recipe.model.denoiser.name]]
    if recipe.model.latent.name != "none":
        changes += ["model.latent.dim=3"] + (["model.latent.width=5"] if recipe.model.latent.layers else [])
    for slot in ("discriminator", "encoder"):
        if (part := getattr(recipe.method, slot, None)) is not None:
            changes += [f"method.{slot}.{c}" for c in SMALL[part.name]]
    changes += [f"observers.{o}.every=2" for o in recipe.observers]
    changes += [f"observers.{o}.samples=2" for o, part in recipe.observers.items() if part.name == "sample-grid"]
    changes += ["training.steps=2", "training.batch_size=4", "training.workers=0", "training.log_every=1", "sampler.batch=2"]
    # A grid of samples costs T evaluations; two steps are about training.
    return changes + (["process.steps=8"] if recipe.process.steps > 8 else [])


@pytest.mark.parametrize("name", NAMES)
def test_two_steps(name: str, sources: dict[str, list[str]], tmp_path: Path) -> None:
    data = gentoolkit.check(name).recipe.data.name
    run = tmp_path / "run"
    outcome = gentoolkit.train(name, [*made_tiny(name), *sources.get(data, []), f"run.folder={run}"], quiet=True)
    assert (outcome.step, outcome.code) == (2, 0)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
    assert len(lines) == 2
    assert all(map(math.isfinite, numbers))
    steps = gentoolkit.load(run).facts.steps
    assert {len(per_t) for per_t in lines[-1]["loss_per_t"].values()} == {steps}
    _, table = tiny.state(run)
    moved = [k for k in table if k.startswith("net/denoiser/") and not torch.equal(table[k], table["ema" + k[3:]])]
    assert moved, "the denoiser has gone on from its average"


@pytest.mark.parametrize("name", NAMES)
def test_the_real_size_is_sound(name: str) -> None:
    report = gentoolkit.check(name, deep=True).deep
    assert report.idle == ()
    assert report.flops > 0
