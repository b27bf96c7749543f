"""Small trained runs that figures are drawn of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gentoolkit.engine.models.trained import TrainedRun, load
from gentoolkit.engine.train import train

MLP = {"use": "mlp", "width": 8, "depth": 1}
LATENT = {"use": "gaussian", "dim": 2, "width": 4, "layers": 1}


def trained(folder: Path, data: Any = "digits", latent: Any = LATENT, **tables: Any) -> TrainedRun:
    """A run of two steps, of images with their classes unless said, on a walk of four."""
    table: dict[str, Any] = {
        "data": data,
        "model": {"denoiser": MLP, "latent": latent, "condition": "class" if data == "digits" else "none"},
        "method": {"use": "ddgan", "discriminator": MLP},
        "sampler": {"use": "ancestral", "batch": 5},
        "training": {"steps": 2, "batch_size": 8, "checkpoint_every": 2},
        "observers": {"grid": {"use": "sample-grid", "samples": 1}},
        "run": {"name": folder.name, "folder": str(folder)},
    }
    table |= {name: {**table[name], **values} if name == "model" else values for name, values in tables.items()}
    train(table, quiet=True)
    return load(folder)
