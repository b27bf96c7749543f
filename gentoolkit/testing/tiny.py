"""Small surroundings for a component under test: facts, built parts, a batch.

facts = tiny_facts("image", (3, 8, 8), latent=4, classes=3)
parts = tiny_parts(facts)                    # process, latent, parametrization, denoiser, model
batch = tiny_batch(facts, 8)
"""

from __future__ import annotations

import math
from typing import Any

import torch

from gentoolkit.components.denoisers.mlp import MLP
from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.components.methods import Batch
from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.parametrizations import Parametrization
from gentoolkit.components.parametrizations.direct import Direct
from gentoolkit.components.parametrizations.posterior import EDMPosterior, EpsPosterior, VPosterior, X0Posterior
from gentoolkit.components.schedules import Schedule
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward
from gentoolkit.registry import Facts

SHAPES: dict[str, tuple[int, ...]] = {"points": (2,), "image": (1, 8, 8)}
BY_TARGET: dict[str, type[Parametrization]] = {
    "x_0": X0Posterior,
    "eps": EpsPosterior,
    "v": VPosterior,
    "edm": EDMPosterior,
    "x_prev": Direct,
}


def tiny_facts(
    kind: str = "points",
    shape: tuple[int, ...] | None = None,
    *,
    latent: int | None = None,
    classes: int | None = None,
    steps: int = 4,
    schedule: Schedule | None = None,
    parametrization: Parametrization | None = None,
    **more: Any,
) -> Facts:
    """Facts as a recipe with these parts would have them before the denoiser.

    Args:
        kind: `points` or `image`.
        shape: of one x_0; `(2,)` or `(1, 8, 8)` unless given.
        latent: width of z; w is two wider.
        classes: number of classes that networks are conditioned on.
        steps: T.
        schedule: vp unless given.
        parametrization: x0-posterior unless given.
        more: any other fact.
    """
    shape = shape or SHAPES[kind]
    facts = Facts(
        kind=kind,
        shape=shape,
        bounded=kind == "image",
        data="tiny",
        labels=classes,
        classes=classes,
        steps=steps,
        latent=latent,
        w=None if latent is None else latent + 2,
        batch=8,
        batch_size=8,
        training_steps=20,
    )
    for part in (schedule or VP(), parametrization or X0Posterior()):
        facts = facts.with_(part.offer(facts))
    return facts.with_(more)


def tiny_parts(
    facts: Facts,
    *,
    schedule: Schedule | None = None,
    parametrization: Parametrization | None = None,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """What is built before a method or a sampler: `process`, `latent`, `parametrization`, `denoiser` (a small perceptron)
    and `model`. Weights are the same every time; the parametrization is the one that `facts.target` names unless given, with a
    learned variance if `facts.raw_channels` leave room for it."""
    curve = (schedule or VP()).build(facts, {})
    parts: dict[str, Any] = {"process": GaussianForward(curve.grid(facts.steps), curve)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        latent = None
        if facts.latent is not None:
            latent = GaussianLatent(dim=facts.latent, width=facts.w or facts.latent, layers=1).build(facts, {})
        parts["latent"] = latent
        learned = {"variance": "learned"} if facts.raw_channels == 2 * facts.shape[0] else {}
        parts["parametrization"] = (parametrization or BY_TARGET[facts.target](**learned)).build(facts, parts)
        parts["denoiser"] = MLP(width=12, depth=1).build(facts, parts)
    model = StepModel(parts["denoiser"], latent, parts["parametrization"], parts["process"])
    return {**parts, "model": model.to(dtype)}


def tiny_draw(facts: Facts, n: int, name: str, shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Standard normal numbers `[n, *shape]`, the same every time."""
    return Draw(("tiny", seed, facts.shape), 0, n, dtype=dtype).normal(name, shape)


def tiny_condition(facts: Facts, n: int, dtype: torch.dtype = torch.float32, *, w: bool = False, seed: int = 0) -> Condition:
    """The condition of n samples: classes in turn, extra tensors, and with `w` a latent as networks see it."""
    y = None if facts.classes is None else torch.arange(seed, seed + n) % facts.classes
    tensors = {k: tiny_draw(facts, n, k, s, dtype, seed) for k, s in facts.tensors.items()}
    latent = tiny_draw(facts, n, "w", (facts.w,), dtype, seed) if w and facts.w is not None else None
    return Condition(y=y, w=latent, tensors=tensors)


def tiny_batch(facts: Facts, n: int = 8, dtype: torch.dtype = torch.float32, seed: int = 0) -> Batch:
    """n clean samples in data range and their condition."""
    x_0 = tiny_draw(facts, n, "x_0", facts.shape, dtype, seed) / math.sqrt(2)
    return Batch(x_0.tanh() if facts.bounded else x_0, tiny_condition(facts, n, dtype, seed=seed))
