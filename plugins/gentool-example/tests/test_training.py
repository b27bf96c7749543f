"""All three parts in a run of gentoolkit's own engine, from the recipe that the plugin ships."""

from __future__ import annotations

from pathlib import Path

import torch

import gentoolkit

TINY = (
    "training.steps=6",
    "training.batch_size=16",
    "training.precision=fp32",
    "training.log_every=1",
    "training.checkpoint_every=3",
    "model.denoiser.width=8",
    "method.discriminator.width=8",
    "sampler.batch=16",
    "observers.grid.samples=16",
    "observers.losses.every=2",
    "data.size=50",
)


def train(folder: Path, *more: str) -> gentoolkit.Outcome:
    return gentoolkit.train("example/gaussians25", (*TINY, f"run.folder={folder}", *more), quiet=True)


def test_the_shipped_recipe_uses_all_three() -> None:
    loaded = gentoolkit.check("example/gaussians25")
    recipe = loaded.recipe
    assert recipe.process.schedule.name == "example/log-linear"
    assert recipe.model.latent.name == "example/mixture"
    assert recipe.observers["losses"].name == "example/sparkline"
    assert (loaded.facts.latent, loaded.facts.w) == (25, 32)
    assert loaded.facts.alpha_T == recipe.process.schedule.offer(loaded.facts)["alpha_T"]
    for name in ("example/log-linear@1", "example/mixture@1", "example/sparkline@1"):
        assert f'"{name}"' in loaded.resolved


def test_a_run_of_it_trains_samples_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    straight = train(tmp_path / "straight")
    assert (straight.step, straight.code) == (6, 0)
    x = gentoolkit.load(straight.folder).sample(20, seed=0)
    assert x.shape == (20, 2)
    assert bool(x.isfinite().all())
    lines = (straight.folder / "losses.txt").read_text(encoding="utf-8").splitlines()
    assert {line.split()[0] for line in lines} >= {"denoiser/adversarial", "discriminator/adversarial"}

    for checkpoint in (tmp_path / "straight" / "checkpoints").glob("step-00000006*"):
        (checkpoint / "COMMIT.json").unlink()  # as after a kill before the last commit
    resumed = train(tmp_path / "straight")
    assert torch.equal(gentoolkit.load(resumed.folder).sample(20, seed=0), x)
    assert (straight.folder / "losses.txt").read_text(encoding="utf-8").splitlines() == lines
