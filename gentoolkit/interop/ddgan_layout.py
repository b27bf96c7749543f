"""The options of the networks behind DDGAN's released weights, found from names and shapes alone.

Generator      all_modules.0, .1 time; .2 first convolution; then every block, attention and pyramid step as it runs;
               z_transform.1, .3, ... the mapping network
Discriminator  t_embed.main.0, .2; start_conv; conv1, conv2, ...; final_conv; end_linear
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from gentoolkit.components.denoisers.ncsnpp import NCSNpp
from gentoolkit.components.discriminators.time_conv import PRESETS, TimeConv
from gentoolkit.components.latents.gaussian import GaussianLatent
from gentoolkit.registry import Component, GentoolError

Shapes = Mapping[str, tuple[int, ...]]
C = TypeVar("C", bound=Component)


@frozen
class GeneratorLayout:
    """What a file of a generator says: the network, its mapping network, the image's channels."""

    denoiser: NCSNpp
    latent: GaussianLatent
    channels: int


@frozen
class DiscriminatorLayout:
    """What a file of a discriminator says."""

    network: TimeConv
    channels: int


@frozen
class Layer:
    """One entry of `all_modules`: what it is, and its main weight's shape."""

    kind: str
    """`linear`, `conv`, `norm`, `block`, `resample` (a block that changes the resolution), `attention`, `residual`,
    `input-skip`."""
    shape: tuple[int, ...]
    fir: bool | None = None
    """Whether a step of the pyramid is filtered; None for other layers."""


def generator_layout(path: Path, shapes: Shapes, fir: bool | None = None) -> GeneratorLayout:
    """The generator behind a file.

    Args:
        path: the file, for messages.
        shapes: of its tensors, by name without prefix.
        fir: whether the network resamples with the FIR filter; asked for where the tensors do not tell.

    Raises:
        GentoolError: it is no generator of this kind, or `fir` is needed, or contradicts the file.
    """
    if "start_conv.weight" in shapes:
        raise GentoolError(f"{path} holds a discriminator; a generator was expected")
    layers = _layers(path, shapes)
    kinds = [*(layer.kind for layer in layers), "end"]
    if kinds[:3] != ["linear", "linear", "conv"]:
        raise GentoolError(f"{path} is no DDGAN generator: all_modules.0 to 2 are not two time layers and a convolution")
    width, image = layers[2].shape[0], layers[2].shape[1]

    changes = [i for i, kind in enumerate(kinds) if kind == "resample"]
    blocks = kinds.count("block")
    levels = len(changes) // 2 + 1
    if len(changes) % 2 or (blocks - 2 - levels) % (2 * levels) or blocks < 2 + 3 * levels:
        raise GentoolError(
            f"{path} is no DDGAN generator: {blocks} residual blocks and {len(changes)} that resample make no whole number of "
            "blocks per level"
        )
    depth = (blocks - 2 - levels) // (2 * levels)

    # On the way down every block of a level is attended, or none; the last level is told from the way up.
    attention, mults, at = [], [], 3
    for level in range(levels):
        if kinds[at] != "block":
            raise GentoolError(
                f"{path} is no DDGAN generator: all_modules.{at} is no residual block, but level {level} starts there"
            )
        mults.append(_multiple(path, f"level {level}", layers[at].shape[0], width))
        if level < levels - 1:
            if kinds[at + 1] == "attention":
                attention.append(level)
            at = changes[level] + (2 if kinds[changes[level] + 1] in ("residual", "input-skip") else 1)
    inner = kinds.count("attention") - 1 - len(attention) * (depth + 1)
    if inner == depth + 1:
        attention.append(levels - 1)
    steps = {layer.kind for layer in layers if layer.kind in ("residual", "input-skip")}
    filtered = {layer.fir for layer in layers if layer.fir is not None}
    return GeneratorLayout(
        _config(
            path,
            NCSNpp,
            width=width,
            mults=tuple(mults),
            blocks=depth,
            attention=tuple(attention),
            progressive_input=steps.pop() if steps else "none",
            progressive_output="output-skip" if changes and "norm" in kinds[: changes[-1]] else "none",
            fir=_filtered(path, filtered, fir, levels),
            tanh=True,
        ),
        _latent(path, shapes),
        image,
    )


def _layers(path: Path, shapes: Shapes) -> list[Layer]:
    """`all_modules` in order."""
    parts: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        head, _, rest = name.partition(".")
        index, _, inner = rest.partition(".")
        if head == "all_modules" and _numbered(index):
            parts.setdefault(int(index), {})[inner] = shape
    if not parts:
        raise GentoolError(f"{path} is no DDGAN generator: it has no all_modules")
    if len(parts) <= max(parts):
        gap = next(i for i in range(len(parts)) if i not in parts)
        raise GentoolError(f"{path} has all_modules.{max(parts)}, but no all_modules.{gap}")
    return [_layer(path, f"all_modules.{i}", parts[i]) for i in range(len(parts))]


def _layer(path: Path, name: str, tensors: Shapes) -> Layer:
    """What a module is, told from any of its tensors, so that one that is missing can be named."""

    def main(inner: str, dimensions: int) -> tuple[int, ...]:
        shape = _shape(path, shapes={f"{name}.{n}": v for n, v in tensors.items()}, name=f"{name}.{inner}")
        if len(shape) != dimensions:
            raise GentoolError(f"{path}: {name}.{inner} has shape {shape}; it should have {dimensions} dimensions")
        return shape

    heads = {n.partition(".")[0] for n in tensors}
    if heads & {"NIN_0", "NIN_1", "NIN_2", "NIN_3"}:
        return Layer("attention", main("NIN_0.W", 2))
    if heads & {"Dense_0", "Conv_1", "GroupNorm_1"}:
        block = main("Conv_0.weight", 4)
        # Blocks have a 1x1 convolution on the skip where they change the channels or the resolution.
        return Layer("resample" if "Conv_2" in heads and block[0] == block[1] else "block", block)
    if "Conv2d_0" in heads:
        return Layer("residual", main("Conv2d_0.weight", 4), True)
    if "Conv_0" in heads:
        shape = main("Conv_0.weight", 4)
        return Layer("input-skip", shape) if shape[-1] == 1 else Layer("residual", shape, False)
    kinds = {1: "norm", 2: "linear", 4: "conv"}
    shape = _shape(path, {f"{name}.{n}": v for n, v in tensors.items()}, f"{name}.weight")
    if len(shape) not in kinds:
        raise GentoolError(f"{path} is no DDGAN generator: {name}.weight has shape {shape}, which none of its layers has")
    return Layer(kinds[len(shape)], shape)


def _shape(path: Path, shapes: Shapes, name: str) -> tuple[int, ...]:
    if name not in shapes:
        raise GentoolError(f"{path} has no tensor {name}, which a network of this layout needs")
    return shapes[name]


def _numbered(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6


def _config(path: Path, cls: type[C], **options: Any) -> C:
    """A config, or a message where a shape is beyond what the option allows."""
    try:
        return cls(**options)
    except ValueError as error:
        raise GentoolError(f"{path} is none of DDGAN's networks: its shapes mean {error}") from error


def _multiple(path: Path, where: str, channels: int, width: int) -> int:
    if not width or channels % width or not channels:
        raise GentoolError(f"{path}: {where} has {channels} channels, no multiple of the width {width}")
    return channels // width


def _filtered(path: Path, found: set[bool], asked: bool | None, levels: int) -> bool:
    if len(found) > 1:
        raise GentoolError(f"{path} is no DDGAN generator: some steps of its image pyramid are filtered, others are not")
    if found:
        told = found.pop()
        if asked is not None and asked != told:
            raise GentoolError(f"{path}: fir = {asked} was given, but the tensors are those of fir = {told}")
        return told
    if asked is None and levels > 1:
        raise GentoolError(
            f"{path}: its tensors do not tell whether the network resamples with the FIR filter; say fir = True "
            "(the authors' default) or fir = False"
        )
    return True if asked is None else asked


def _latent(path: Path, shapes: Shapes) -> GaussianLatent:
    linears = {int(number) for n in shapes if n.startswith("z_transform.") and _numbered(number := n.split(".")[1])}
    first = _shape(path, shapes, "z_transform.1.weight")
    last = max(linears)
    for i in range(1, last + 1, 2):
        _shape(path, shapes, f"z_transform.{i}.weight")
    if len(first) != 2:
        raise GentoolError(f"{path}: z_transform.1.weight has shape {first}; it should have 2 dimensions")
    return _config(path, GaussianLatent, dim=first[1], width=first[0], layers=(last + 1) // 2, init="fan-out")


def discriminator_layout(path: Path, shapes: Shapes) -> DiscriminatorLayout:
    """The discriminator behind a file.

    Raises:
        GentoolError: it is no discriminator of this kind.
    """
    if "all_modules.2.weight" in shapes:
        raise GentoolError(f"{path} holds a generator; a discriminator was expected")
    start, time = (_shape(path, shapes, name) for name in ("start_conv.weight", "t_embed.main.0.weight"))
    if len(start) != 4 or len(time) != 2 or start[0] % 2 or start[1] % 2 or time[0] % 2:
        raise GentoolError(
            f"{path} is no DDGAN discriminator: start_conv.weight has shape {start}, t_embed.main.0.weight {time}"
        )
    numbers = {int(n) for name in shapes if name.startswith("conv") and _numbered(n := name[4:].partition(".")[0])}
    presets = {len(p.mults): name for name, p in PRESETS.items()}
    if numbers != set(range(1, len(numbers) + 1)) or len(numbers) not in presets:
        legal = " or ".join(f"{n} ({name})" for n, name in presets.items())
        raise GentoolError(
            f"{path} is no DDGAN discriminator: it has {len(numbers)} blocks conv1, conv2, ...; they have {legal}"
        )
    width = start[0] // 2
    outputs = {f"conv{i}": _shape(path, shapes, f"conv{i}.conv1.0.weight") for i in sorted(numbers)}
    mults = tuple(_multiple(path, name, shape[0] if shape else 0, width) for name, shape in outputs.items())
    preset = presets[len(numbers)]
    network = _config(
        path,
        TimeConv,
        preset=preset,
        width=width,
        mults=mults,
        stddev_layout="reference",
        embedding=time[0],
    )
    return DiscriminatorLayout(network, start[1] // 2)
