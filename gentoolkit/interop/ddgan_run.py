"""DDGAN's released weights as a run folder, which `sample` and `evaluate` take like any other, and `train` goes on from.

The folder holds a resolved recipe, a committed checkpoint of step 0, and where its weights are from. The released generator is
an average, and stands for both the average and the raw weights. Without a discriminator's file the folder gets a fresh one;
optimizers start anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit import recipe as recipes
from gentoolkit.components.discriminators.time_conv import TimeConv
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints, folder
from gentoolkit.engine.storage.whole import digest, write_whole
from gentoolkit.engine.storage.writing import write
from gentoolkit.recipe.tree import Recipe
from gentoolkit.registry import Component, GentoolError

from .ddgan import START, Size, levels_fit, sides
from .ddgan_layout import discriminator_layout, generator_layout
from .ddgan_weights import discriminator_state, generator_state
from .tensor_file import TensorFile

LICENCE = (
    "NVIDIA Source Code License for what DDGAN's authors released and what derives from it: non-commercial use (research and "
    "evaluation) only"
)

LARGEST_FOR_SMALL = 64
"""Sides from which on a fresh discriminator is the large one."""


def import_run(
    path: str | Path,
    image_size: Size,
    steps: int,
    where: str | Path,
    discriminator: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    fir: bool | None = None,
) -> Path:
    """Write a run folder.

    Args:
        path: `netG_*.pth`.
        image_size: one number for a square, or (height, width).
        steps: T.
        where: the folder; it must not hold a run.
        discriminator: `netD_*.pth`, or a training state's discriminator saved alone.
        overrides: `data.source=...` and the like, over the recipe that is written.
        fir: whether the generator resamples with the FIR filter; needed only where the file does not tell.

    Returns:
        The folder.

    Raises:
        GentoolError: a file, the recipe or the folder is not as it must be; the folder is then as it was.
    """
    home = Path(where)
    if (home / folder.RECIPE).exists() or checkpoints.committed(home / folder.CHECKPOINTS):
        raise GentoolError(f"{home} holds a run already; choose another folder")
    file = TensorFile(path)
    layout = generator_layout(file.path, file.shapes, fir)
    states = {"denoiser": generator_state(file, layout)}
    size = sides(image_size)
    levels_fit(file.path, layout, *size)
    judge = TimeConv(preset="small" if max(size) <= LARGEST_FOR_SMALL else "large")
    if discriminator is not None:
        judged = TensorFile(discriminator)
        found = discriminator_layout(judged.path, judged.shapes)
        if found.channels != layout.channels:
            raise GentoolError(
                f"{discriminator} judges images of {found.channels} channels, {path} makes images of {layout.channels}"
            )
        judge, states["discriminator"] = found.network, discriminator_state(judged, found)
    table = {
        "data": {"use": "image-folder", "source": "images", "size": list(size), "channels": layout.channels},
        "process": {"schedule": {"use": "vp", "start": START}, "steps": steps},
        "model": {"denoiser": _part("ncsnpp", layout.denoiser), "latent": _part("gaussian", layout.latent)},
        "method": {"use": "ddgan", "discriminator": _part("time-conv", judge)},
        "training": {"steps": 1000, "batch_size": 32},
        "metrics": {"speed": {"use": "speed"}},
        "run": {"name": home.name},
    }
    loaded = recipes.load(table, overrides)
    unchanged(recipes.load(table).recipe, loaded.recipe, path, discriminator)
    assembly = assemble(loaded.recipe, loaded.facts, load_reference)
    saved: dict[str, Tensor] = {}
    for net in assembly.plan.nets:
        fill(net.module, states.get(net.name))
        for kind in ("net", "ema") if net.ema else ("net",):
            saved |= {f"{kind}/{net.name}/{key}": value for key, value in net.module.state_dict().items()}
    folder.make(home)
    about = {"optimizers": {}, "versions": {"torch": torch.__version__}}
    write(home / folder.CHECKPOINTS, 0, saved, World(0, 1, torch.device("cpu")), about)
    folder.record_start(home, 0, 1, "cpu")
    files = {Path(name).name: digest(Path(name)) for name in (path, discriminator) if name is not None}
    write_whole(home / folder.ORIGIN, json.dumps({"files": files, "licence": LICENCE}, indent=1))
    loaded.write(home)
    return home


def unchanged(files: Recipe, asked: Recipe, generator: str | Path, discriminator: str | Path | None) -> None:
    """Overrides leave alone what the files decide.

    Raises:
        GentoolError: they do not.
    """
    for name in ("process", "model"):
        if getattr(files, name) != getattr(asked, name):
            raise GentoolError(
                f"[{name}] is what {generator}, --image-size and --steps make it; take {name}.* out of the overrides"
            )
    if discriminator is not None and files.method != asked.method:
        before, after = (getattr(r.method, "discriminator", None) for r in (files, asked))
        if before != after:
            raise GentoolError(f"the discriminator is what {discriminator} makes it; take it out of the overrides")


def fill(module: nn.Module, state: Mapping[str, Tensor] | None) -> None:
    """Put a file's tensors, all of them, into the net that was built for them; None leaves it fresh."""
    if state is not None:
        module.load_state_dict(state)


def _part(use: str, config: Component) -> dict[str, Any]:
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in config.options().items() if v is not None}
    return {"use": use, **values}
