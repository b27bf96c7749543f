"""What denoising steps of each kind can do at best on 25 Gaussians: the paper's argument in one table.

No network: the oracle's exact q(x_{t-1} | x_t) against Gaussian steps with the exact mean (variance β̃, or matched).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.diffusion import Draw, GaussianForward, MixtureOracle
from gentoolkit.registry import Facts, get_registry

STEPS = {"exact": "exact step", "gaussian": "Gaussian, exact mean, β̃", "matched": "Gaussian, moments matched"}


def oracle_samples(T: int, samples: int, seed: int, kind: str) -> Tensor:
    """x_0 after T steps of one kind from the prior, on the vp schedule; `[samples, 2]`, float64."""
    registry = get_registry()
    curve = registry.find("schedule", "vp")().build(Facts(steps=T), {})
    mixture = registry.find("data", "gaussians25")().offer(Facts())["mixture"]
    process = GaussianForward(curve.grid(T), curve)
    oracle = MixtureOracle.of(process, mixture)
    rng = Draw((seed, "oracle", T, kind), 0, samples, dtype=torch.float64)
    x = process.prior((2,), rng)
    for t in range(T, 0, -1):
        at = torch.full((samples,), t)
        step = rng.scope(t)
        x = (
            oracle.step(x, at, at - 1, step)
            if kind == "exact"
            else oracle.gaussian(x, at, at - 1, kind == "matched").rsample(step)
        )
    return x


def oracle_row(T: int, samples: int, seed: int) -> list[tuple[float, int]]:
    """(high-quality share, modes covered) for each kind of step in `STEPS`."""
    registry = get_registry()
    facts = Facts().with_(registry.find("data", "gaussians25")().offer(Facts()))
    cells = []
    for kind in STEPS:
        counts = registry.find("metric", "mixture")().build(facts, {})
        counts.add(counts.see(oracle_samples(T, samples, seed, kind)))
        values = counts.compute()
        cells.append((float(values["high_quality"]), int(values["modes"])))
    return cells
