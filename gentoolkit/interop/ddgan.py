"""DDGAN's released weights as callables.

generator = import_generator("netG_1200.pth", image_size=32, steps=4)
x_0 = generator(x_t, t, z)          # x_t [B, 3, 32, 32], t int64 [B] in {0, ..., T-1}, z [B, 100]

The authors count t from 0 (x_prev is x_t of their index 0 at t = 0), so their t is the paper's t - 1; here alone that count
is used. What the files do not hold is asked for: image size and T. What they hold decides the rest. Source: the layout of
the released files, as their names and shapes show it; the grid starts at time 1e-3, as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from gentoolkit.components.model import Condition
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import GaussianForward, Level
from gentoolkit.registry import Facts, GentoolError

from .ddgan_layout import GeneratorLayout, discriminator_layout, generator_layout
from .ddgan_weights import discriminator_state, generator_state
from .tensor_file import TensorFile

START = 1e-3
"""Time at which the authors' grid starts."""

Size = int | Sequence[int]
M = TypeVar("M", bound=nn.Module)


class Generator(nn.Module):
    """A released generator: `(x_t, t, z) -> x_0`, with t in {0, ..., T-1}."""

    def __init__(self, denoiser: nn.Module, latent: nn.Module, process: GaussianForward) -> None:
        super().__init__()
        self.denoiser, self.latent, self.process = denoiser, latent, process

    def forward(self, x_t: Tensor, t: Tensor | int, z: Tensor) -> Tensor:
        """The predicted clean image, in (-1, 1).

        Args:
            x_t: noisy images `[B, C, H, W]`.
            t: the authors' index, whole numbers `[B]` or one for all, 0 to T-1.
            z: standard normal, `[B, nz]`.
        """
        level = self.process.level(_each(t, x_t) + 1, x_t.dtype)
        x_0: Tensor = self.denoiser(x_t, level, Condition(w=self.latent(z)))
        return x_0


class Discriminator(nn.Module):
    """A released discriminator: `(x_prev, t, x_t) -> logits [B]`, with t in {0, ..., T-1}."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_prev: Tensor, t: Tensor | int, x_t: Tensor) -> Tensor:
        """Logits: positive where the pair looks real.

        Args:
            x_prev: the less noisy images `[B, C, H, W]`.
            t: the authors' index, whole numbers `[B]` or one for all.
            x_t: the noisier images `[B, C, H, W]`.
        """
        index = _each(t, x_t)
        unused = torch.zeros_like(index, dtype=x_t.dtype)  # it reads the index alone, so no grid is needed
        logits: Tensor = self.network(x_prev, x_t, Level(index, unused, unused, unused), Condition())
        return logits


def import_generator(path: str | Path, image_size: Size, steps: int, *, fir: bool | None = None) -> Generator:
    """A released generator, frozen, in eval mode, on the CPU in float32.

    Args:
        path: `netG_*.pth`, read as tensors alone.
        image_size: one number for a square, or (height, width).
        steps: T.
        fir: whether it resamples with the FIR filter; needed only where the file does not tell.

    Raises:
        GentoolError: the file is no such generator, has a tensor too many or too few, or the size does not fit.
    """
    file = TensorFile(path)
    layout = generator_layout(file.path, file.shapes, fir)
    height, width = sides(image_size)
    levels_fit(file.path, layout, height, width)
    if steps < 1:
        raise GentoolError(f"a model has at least one step, not {steps}")
    shape, latent = (layout.channels, height, width), layout.latent
    facts = Facts(shape=shape, latent=latent.dim, w=latent.width, raw_channels=layout.channels, steps=steps)
    curve = VP(start=START).build(facts, {})
    process = GaussianForward(curve.grid(steps), curve)
    with torch.device("meta"):  # no weights are drawn that are overwritten at once
        made = Generator(layout.denoiser.build(facts, {}), latent.build(facts, {}), process)
    return _filled(made, generator_state(file, layout))


def import_discriminator(path: str | Path, image_size: Size) -> Discriminator:
    """A released discriminator, frozen, in eval mode, on the CPU in float32.

    Its minibatch deviation groups every (B/4)-th sample of the batch, as theirs; B is at most 4 or a multiple of 4.

    Args:
        path: `netD_*.pth`, read as tensors alone.
        image_size: one number for a square, or (height, width).

    Raises:
        GentoolError: the file is no such discriminator, has a tensor too many or too few, or the size does not fit.
    """
    file = TensorFile(path)
    layout = discriminator_layout(file.path, file.shapes)
    height, width = sides(image_size)
    smallest = 2 ** sum(halves for _, halves in layout.network.blocks())
    if min(height, width) < smallest:
        raise GentoolError(f"{path} halves images until {smallest} pixels are one; {height}x{width} is too small for it")
    with torch.device("meta"):
        made = Discriminator(layout.network.build(Facts(shape=(layout.channels, height, width)), {}))
    state = discriminator_state(file, layout)
    return _filled(made, {f"network.{name}": value for name, value in state.items()})


def sides(image_size: Size) -> tuple[int, int]:
    """(height, width).

    Raises:
        GentoolError: it is neither one number nor two, or not positive.
    """
    found = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(found) != 2 or min(found) < 1:
        raise GentoolError(f"an image size is one positive number or (height, width), not {image_size!r}")
    return found[0], found[1]


def levels_fit(path: Path, layout: GeneratorLayout, height: int, width: int) -> None:
    """Every level of a generator halves the image.

    Raises:
        GentoolError: it cannot.
    """
    levels = len(layout.denoiser.mults)
    factor = 2 ** (levels - 1)
    if height % factor or width % factor:
        raise GentoolError(
            f"{path} has {levels} levels, so its images have sides that {factor} divides; {height}x{width} was given"
        )


def _each(t: Tensor | int, like: Tensor) -> Tensor:
    """int64 `[B]`."""
    return torch.as_tensor(t, device=like.device).to(torch.int64).expand(len(like))


def _filled(module: M, state: Mapping[str, Tensor]) -> M:
    module.load_state_dict(state, strict=True, assign=True)
    return module.eval().requires_grad_(False)
