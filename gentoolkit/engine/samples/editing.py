"""Samples that begin with something of a person's: strokes, a picture with a hole, two samples to go between.

run = gentoolkit.load("runs/digits-ddgan")
gentoolkit.from_strokes(run, "painting.png", from_step=2, n=8)
gentoolkit.inpaint(run, "picture.png", "mask.png", n=8)
gentoolkit.interpolate(run, seeds=[3, 7], n=12)

All three edit states between a sampler's steps, so they take any method and any sampler. Result i is a function of (seed, i).

strokes        x_t ~ q(x_t | painting), then down as usual                                  (paper, Sec. 5.4; Meng et al., 2021)
inpainting     what is known is put back at each level, x_s[known] ~ q(x_s | picture); to bring both halves into one, a step
               may be taken again, x_t ~ q(x_t | x_s)                                       (Lugmayr et al., 2022)
interpolation  all noise, z's too, is that of two samples on a circle between them
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.components.samplers.state import State, onwards, states
from gentoolkit.diffusion import Blend, Draw, along
from gentoolkit.registry import GentoolError

from ..models.trained import TrainedRun
from .sampling import classes_of, sampling_draw, whole_number

Picture = str | Path | Tensor
"""An image file of the run's size, or `[C, H, W]` in [-1, 1]."""


def from_strokes(
    run: TrainedRun, painting: Picture, from_step: int, n: int = 8, seed: int = 0, y: Sequence[int] | int | None = None
) -> Tensor:
    """Samples that follow a painting: it is noised to x_t, t = `from_step`, and denoised.

    Args:
        run: an opened run of images.
        painting: what to follow; a file of the run's size, or `[C, H, W]` in [-1, 1].
        from_step: from 1, close to the painting, to T, where little of it is left.
        n: how many.
        seed: of all noise; result i depends on (seed, i) alone.
        y: classes, as for `sample`.

    Returns:
        `[n, C, H, W]` on the CPU, in [-1, 1].

    Raises:
        GentoolError: a number is out of range, or the painting cannot be used.
    """
    only_images(run)
    from_step = whole_number(from_step, "from_step", 1)
    if from_step > run.facts.steps:
        raise GentoolError(f"from_step goes from 1 to the run's T = {run.facts.steps}, not to {from_step}")
    x_0 = picture_of(run, painting, "painting")
    return run.sample(n, seed, y, partial(stroke_states, painting=x_0, t=from_step))


def inpaint(
    run: TrainedRun,
    image: Picture,
    mask: Picture,
    n: int = 8,
    seed: int = 0,
    y: Sequence[int] | int | None = None,
    repeats: int = 1,
) -> Tensor:
    """Samples that have what is known of an image, and fill in the rest.

    Args:
        run: an opened run of images.
        image: what is known.
        mask: white where something is to be filled in, black where the image is kept; a file of the run's size, or a tensor
            `[1, H, W]`, positive where it is white.
        n: how many.
        seed: of all noise; result i depends on (seed, i) alone.
        y: classes, as for `sample`.
        repeats: how often each step is taken, with the noise put back in between; more bring the filled-in closer to the known.

    Returns:
        `[n, C, H, W]` on the CPU, in [-1, 1]; what is known comes back exactly.

    Raises:
        GentoolError: a number is out of range, a picture cannot be used, or the mask leaves nothing to fill in.
    """
    only_images(run)
    repeats = whole_number(repeats, "the number of repeats", 1)
    known = picture_of(run, image, "image")
    hole = picture_of(run, mask, "mask", channels=1) > 0
    if not bool(hole.any()):
        raise GentoolError("the mask is black all over: nothing is to be filled in; what is white in it will be")
    return run.sample(n, seed, y, partial(inpaint_states, known=known, keep=~hole, repeats=repeats))


def interpolate(run: TrainedRun, seeds: Sequence[int], n: int = 8, y: int | None = None) -> Tensor:
    """Samples on the way from sample 0 of one seed to sample 0 of another, past those of all seeds between.

    Args:
        run: an opened run, of images or points.
        seeds: two or more.
        n: how many, ends included.
        y: the class of all; that of the first seed's sample unless given.

    Returns:
        `[n, *shape]` on the CPU.

    Raises:
        GentoolError: there are fewer than two seeds or places, or a class does not fit.
    """
    seeds = [whole_number(seed, "a seed", 0) for seed in seeds]
    n = whole_number(n, "the number of samples on the way", 2)
    if len(seeds) < 2:
        raise GentoolError("there is nothing between fewer than two seeds")
    labels = run.labels(n, y)
    if labels is None and run.facts.classes is not None:
        labels = classes_of(seeds[0], 0, 1, run.facts.classes, run.label_counts).expand(n)
    return run.sample(n, seeds[0], None if labels is None else labels.tolist(), partial(blended_states, seeds=seeds, n=n))


def stroke_states(
    sampler: Any, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition, painting: Tensor, t: int
) -> Iterator[State]:
    """Every state from the noised painting `[C, H, W]` on."""
    x_0 = painting.to(rng.device, rng.dtype).expand(len(rng), *shape)
    yield from onwards(sampler, model, State(t, noised(model, x_0, t, rng.scope("strokes"))), rng, condition)


def inpaint_states(
    sampler: Any,
    model: StepModel,
    shape: tuple[int, ...],
    rng: Draw,
    condition: Condition,
    known: Tensor,
    keep: Tensor,
    repeats: int,
) -> Iterator[State]:
    """Every state of a sampler, `known [C, H, W]` put back where `keep [1, H, W]`, steps but the last taken `repeats` times."""
    x_0 = known.to(rng.device, rng.dtype).expand(len(rng), *shape)
    keep = keep.to(rng.device)

    def put_back(state: State, noise: Draw) -> State:
        return attrs.evolve(state, x=torch.where(keep, noised(model, x_0, state.t, noise), state.x))

    state = put_back(sampler.start(model, shape, rng, condition), rng.scope("known", model.process.T))
    yield state
    while state.t > 0:
        t = state.t
        for again in range(repeats):
            noise = rng.scope("again", again) if again else rng
            state = put_back(sampler.step(model, state, noise, condition), noise.scope("known", state.t))
            if state.t == 0:
                break
            if again < repeats - 1:
                back, here = (torch.full((len(x_0),), k, device=x_0.device) for k in (t, state.t))
                x_t = model.process.renoise(state.x, here, back, noise.scope("back", t))
                state = State(t, x_t, None, state.evaluations)  # a prediction of less noise is no memory of more
        yield state


def blended_states(
    sampler: Any, model: StepModel, shape: tuple[int, ...], rng: Draw, condition: Condition, seeds: Sequence[int], n: int
) -> Iterator[State]:
    """Every state of the places `rng.start..` on the way between sample 0 of each seed, `n` in all."""
    sources = [sampling_draw(seed, 0, 1, model) for seed in seeds]
    weights = along(len(seeds), n)
    padded = weights[torch.arange(rng.start, rng.stop).clamp(max=n - 1)]
    yield from states(sampler, model, shape, Blend(sources, padded), condition)


def noised(model: StepModel, x_0: Tensor, t: int, rng: Draw) -> Tensor:
    """x_t ~ q(x_t | x_0); x_0 itself at t = 0."""
    at = torch.full((len(x_0),), t, device=x_0.device)
    return model.process.marginal(x_0, at, rng.normal("eps", tuple(x_0.shape[1:])).to(x_0.dtype))


def only_images(run: TrainedRun) -> None:
    """Stop at runs of points.

    Raises:
        GentoolError: the run's data are none.
    """
    if run.facts.kind != "image":
        raise GentoolError(f"{run.name} makes {run.facts.kind}, not images: there is nothing to paint on; interpolate works")


def picture_of(run: TrainedRun, picture: Picture, what: str, channels: int | None = None) -> Tensor:
    """A picture as the run's data are, `[C, H, W]` in [-1, 1].

    Args:
        run: whose size it must have.
        picture: a file or a tensor.
        what: how it is called in messages.
        channels: other than the data's.

    Raises:
        GentoolError: it has another size or is no image that can be read.
    """
    from gentoolkit.components.data.decoding import Decoding, UnusableError, WrongSizeError, decode

    shape = (channels or run.facts.shape[0], *run.facts.shape[1:])
    if isinstance(picture, Tensor):
        if tuple(picture.shape) != shape:
            raise GentoolError(f"the {what} is {list(picture.shape)}, and must be {list(shape)}")
        if not bool(picture.isfinite().all()):
            raise GentoolError(f"the {what} holds numbers that are not finite")
        return picture.float().cpu()
    if shape[0] not in (1, 3):
        raise GentoolError(f"images of {shape[0]} channels cannot be read from a file; give the {what} as a tensor")
    path = Path(picture)
    if not path.is_file():
        raise GentoolError(f"the {what} {path} " + ("is a folder" if path.is_dir() else "does not exist"))
    try:
        pixels = decode(path, Decoding(shape[1:], shape[0], "none"))  # type: ignore[arg-type]
    except WrongSizeError as error:
        raise GentoolError(
            f"the {what} {path} {error.short} (height x width) that {run.name} makes; scale it to that size first"
        ) from error
    except UnusableError as error:
        raise GentoolError(f"the {what} {path} {error}") from error
    return torch.tensor(pixels).float() / 127.5 - 1
