"""Recipes so small that a step takes a millisecond, and what a finished run holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from gentoolkit.components.denoisers import mlp
from gentoolkit.components.observers.sampled_pictures import SamplePictures
from gentoolkit.engine.models.trained import TrainedRun
from gentoolkit.engine.processes.stopping import Stop
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.samples.measuring import measured
from gentoolkit.engine.storage import checkpoints
from gentoolkit.registry import hookimpl

MLP = {"use": "mlp", "width": 8, "depth": 2}
METHODS: dict[str, dict[str, Any]] = {
    "ddgan": {
        "use": "ddgan",
        "discriminator": MLP,
        "regularizers": {"r1": {"use": "r1", "gamma": 0.1, "every": 2}},
    },
    "ddgan-lecam": {
        "use": "ddgan",
        "discriminator": MLP,
        "regularizers": {
            "lecam": {"use": "lecam", "gamma": 0.3, "every": 2},
            "r1": {"use": "r1", "gamma": 0.1, "approximate": True},
        },
    },
    "cvae": {"use": "cvae", "encoder": MLP, "decoder_std": 0.1, "kl_warmup": 3},
    "ddpm": {"use": "ddpm"},
}
BLOCKS: dict[str, dict[str, Any]] = {
    "ncsnpp": {"use": "ncsnpp", "width": 4, "mults": [1, 2], "blocks": 1},
    "dit": {"use": "dit", "hidden": 8, "depth": 2, "heads": 2, "patch": 4},
}
"""Networks that name their blocks, in a property and as submodules."""


def recipe(method: str, folder: Path, **training: Any) -> dict[str, Any]:
    """A recipe of `method` on 25 Gaussians, 6 steps of 8, with a checkpoint every 2."""
    return {
        "data": {"use": "gaussians25", "size": 50},
        "model": {
            "denoiser": MLP,
            "latent": "none" if method == "ddpm" else {"use": "gaussian", "dim": 2, "width": 4, "layers": 1},
            "parametrization": "eps-posterior" if method == "ddpm" else "x0-posterior",
        },
        "method": METHODS[method],
        "sampler": {"use": "ancestral", "batch": 8},
        "training": {"steps": 6, "batch_size": 8, "checkpoint_every": 2, "log_every": 1, "keep": 9, **training},
        "observers": {},
        "run": {"name": method, "folder": str(folder)},
    }


def pictures(denoiser: str, folder: Path, **training: Any) -> dict[str, Any]:
    """A ddgan of real networks, which name their blocks, on 8x8 digits: 3 steps of 8, r1 in the first and third."""
    table = recipe("ddgan", folder, **{"steps": 3, "precision": "fp64", **training})
    judge = {"use": "conv", "width": 4, "mults": [1, 2]}
    model = {**table["model"], "denoiser": BLOCKS[denoiser]}
    return {**table, "data": "digits", "model": model, "method": {**table["method"], "discriminator": judge}}


def watched(folder: Path, **training: Any) -> dict[str, Any]:
    """A run with pictures after steps 2, 4 and 6 and metrics after 3 and 6; its samples come in unequal chunks."""
    table = recipe("ddgan", folder, evaluate_every=3, keep=1, keep_best="few/high_quality", **training)
    table["observers"] = {"grid": {"use": "sample-grid", "every": 2, "samples": 21}}
    table["metrics"] = {"mixture": {"use": "mixture", "samples": 43}, "few": {"use": "mixture", "samples": 9}}
    return table


class Chunks:
    """A metric that keeps what it was shown, in the order in which it is told of it."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def see(self, samples: torch.Tensor) -> torch.Tensor:
        """The samples themselves."""
        return samples

    def add(self, seen: torch.Tensor) -> None:
        """Keep them."""
        self.kept.append(seen)

    def compute(self) -> dict[str, float]:
        """How many there were."""
        return {"samples": sum(map(len, self.kept))}


def chunks_seen(run: TrainedRun, here: World, stop: Stop) -> tuple[list[list[torch.Tensor]], dict[str, Any]]:
    """(chunks that metrics on 43 and on 9 samples are told of, their numbers)."""
    metrics = {"many": Chunks(), "few": Chunks()}
    wanted = {"many": 43, "few": 9}
    values = measured(run.model, run.sampler, run.facts, metrics, wanted, 5, run.batch, None, here, stop)
    return [m.kept for m in metrics.values()], values


def keep_pictures(pictures: list[torch.Tensor]) -> Callable[[], None]:
    """Have `sample-grid` keep what it draws in a list; the function that ends it."""
    drawn = SamplePictures.sampled

    def sampled(self: SamplePictures, run: Any, step: int, samples: Any) -> None:
        pictures.append(samples.clone())
        drawn(self, run, step, samples)

    def end() -> None:
        SamplePictures.sampled = drawn  # type: ignore[method-assign]

    SamplePictures.sampled = hookimpl(sampled)  # type: ignore[method-assign]
    return end


def partly_frozen(folder: Path, **training: Any) -> dict[str, Any]:
    """A GAN whose denoiser keeps the first layer as it is (within `freezing`), trained by gradient descent."""
    table = recipe("ddgan", folder, precision="fp64", **training)
    optimizers = {
        "discriminator": {"use": "sgd", "lr": 0.01, "momentum": 0.9},
        "denoiser": {"use": "sgd", "lr": 0.01, "momentum": 0.5, "nesterov": True},
    }
    return {**table, "method": {**table["method"], "optimizers": optimizers}}


@contextmanager
def freezing() -> Iterator[None]:
    """Perceptrons that denoise have their first layer frozen."""
    build = mlp.MLP.build

    def frozen(self: Any, *arguments: Any) -> Any:
        net = build(self, *arguments)
        net.net.first.requires_grad_(False)
        return net

    with mock.patch.object(mlp.MLP, "build", frozen):
        yield


def tuned(folder: Path, source: Path, **training: Any) -> dict[str, Any]:
    """A GAN begun with the denoiser of `source`, with two averages and a snapshot at the end."""
    table = recipe("ddgan", folder, precision="fp64", seed=1, snapshot_every=6, **training)
    ema = {"decay": 0.9, "more": {"power": {"sigma_rel": 0.1}}}
    return {**table, "ema": ema, "start": {"run": str(source), "fresh": ["discriminator"]}}


def state(folder: Path) -> tuple[int, dict[str, torch.Tensor]]:
    """(step, everything learned) of a run's newest checkpoint."""
    newest, refused = checkpoints.newest(folder / "checkpoints")
    assert newest is not None
    assert refused == {}
    commit, table = checkpoints.load(newest, World(0, 1, torch.device("cpu")))
    return commit["step"], table


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """The largest relative difference between two tables of tensors with the same names."""
    assert a.keys() == b.keys()
    worst = 0.0
    for name, x in a.items():
        y = b[name].double()
        worst = max(worst, float((x.double() - y).abs().max() / y.abs().max().clamp(min=1e-3)))
    return worst


def identical(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two tables hold the same bits."""
    return a.keys() == b.keys() and all(torch.equal(x, b[name]) for name, x in a.items())


def state_passing_over(folder: Path) -> dict[str, torch.Tensor]:
    """As `state`, where an older checkpoint may be damaged."""
    path = checkpoints.committed(folder / "checkpoints")[0]
    assert checkpoints.damage(path) is None
    return checkpoints.load(path, World(0, 1, torch.device("cpu")))[1]
