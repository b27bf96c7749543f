"""DDGAN's released tensors under the names, and in the arrangement, of `ncsnpp` and `time-conv`.

Every layer keeps its numbers. The linear layers that shift blocks and those that style norms are stacked, in the order in
which blocks run, and the per-pixel linear layers of attention are transposed into 1x1 convolutions, q, k and v as one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gentoolkit.components.denoisers.ncsnpp_network import places

from .ddgan_layout import DiscriminatorLayout, GeneratorLayout
from .tensor_file import TensorFile


class Table:
    """The tensors that are being renamed."""

    def __init__(self, file: TensorFile) -> None:
        self.file, self.made = file, dict[str, Tensor]()

    def layer(self, theirs: str, ours: str, *shape: int, bias: bool = True) -> None:
        """A layer whose weight has `shape`."""
        self.made[f"{ours}.weight"] = self.file.take(f"{theirs}.weight", *shape)
        if bias:
            self.made[f"{ours}.bias"] = self.file.take(f"{theirs}.bias", shape[0])

    def stacked(self, theirs: list[tuple[str, int]], ours: str, inputs: int) -> None:
        """Linear layers (name, outputs) as one."""
        for kind, rest in (("weight", (inputs,)), ("bias", ())):
            tensors = [self.file.take(f"{name}.{kind}", outputs, *rest) for name, outputs in theirs]
            self.made[f"{ours}.{kind}"] = torch.cat(tensors)

    def pixelwise(self, theirs: list[str], ours: str, channels: int) -> None:
        """Linear layers per pixel, `[in, out]`, as one 1x1 convolution."""
        weights = [self.file.take(f"{name}.W", channels, channels).t() for name in theirs]
        self.made[f"{ours}.weight"] = torch.cat(weights)[..., None, None].contiguous()
        self.made[f"{ours}.bias"] = torch.cat([self.file.take(f"{name}.b", channels) for name in theirs])


def generator_state(file: TensorFile, layout: GeneratorLayout) -> dict[str, Tensor]:
    """The state of a step model (`denoiser.*`, `latent.*`).

    Raises:
        GentoolError: a tensor is missing, left over or of another shape.
    """
    table, config, latent, image = Table(file), layout.denoiser, layout.latent, layout.channels
    width, embedding = config.width, 4 * config.width
    channels = [width * m for m in config.mults]
    table.layer("all_modules.0", "denoiser.time.hidden", embedding, width)
    table.layer("all_modules.1", "denoiser.time.out", embedding, embedding)
    table.layer("all_modules.2", "denoiser.conv_in", width, image, 3, 3)
    at = 3

    def readout(level: int) -> None:
        nonlocal at
        ours = f"denoiser.readout.{level}"
        table.layer(f"all_modules.{at}", f"{ours}.norm", channels[level])
        table.layer(f"all_modules.{at + 1}", f"{ours}.conv", image, channels[level], 3, 3)
        at += 2

    shifts, styles = [], []
    for i, place in enumerate(places(config)):
        if place.resample == "up" and config.progressive_output == "output-skip":
            readout(place.level)
        theirs, ours = f"all_modules.{at}", f"denoiser.residual.{i}"
        table.layer(f"{theirs}.Conv_0", f"{ours}.conv_in", place.outputs, place.inputs, 3, 3)
        table.layer(f"{theirs}.Conv_1", f"{ours}.conv_out", place.outputs, place.outputs, 3, 3)
        if place.inputs != place.outputs or place.resample is not None:
            table.layer(f"{theirs}.Conv_2", f"{ours}.skip", place.outputs, place.inputs, 1, 1)
        shifts.append((f"{theirs}.Dense_0", place.outputs))
        styles += [(f"{theirs}.GroupNorm_{n}.style", 2 * c) for n, c in ((0, place.inputs), (1, place.outputs))]
        at += 1
        if place.attends:
            theirs, ours, c = f"all_modules.{at}", f"denoiser.attend.{i}", place.outputs
            table.layer(f"{theirs}.GroupNorm_0", f"{ours}.norm", c)
            table.pixelwise([f"{theirs}.NIN_{n}" for n in range(3)], f"{ours}.qkv", c)
            table.pixelwise([f"{theirs}.NIN_3"], f"{ours}.out", c)
            at += 1
        if place.resample == "down" and config.progressive_input != "none":
            residual = config.progressive_input == "residual"
            seen, kernel = (image if not residual or place.level == 0 else channels[place.level - 1]), 3 if residual else 1
            name = "Conv2d_0" if residual and config.fir else "Conv_0"
            ours = f"denoiser.pyramid.{place.level}.conv"
            table.layer(f"all_modules.{at}.{name}", ours, channels[place.level], seen, kernel, kernel)
            at += 1
    readout(0)
    table.stacked(shifts, "denoiser.shift", embedding)
    table.stacked(styles, "denoiser.style", latent.width)
    for i in range(latent.layers):
        name = f"{2 * i + 1}"
        table.layer(f"z_transform.{name}", f"latent.mapping.{name}", latent.width, latent.width if i else latent.dim)
    file.done()
    return table.made


def discriminator_state(file: TensorFile, layout: DiscriminatorLayout) -> dict[str, Tensor]:
    """The state of a `time-conv` network.

    Raises:
        GentoolError: a tensor is missing, left over or of another shape.
    """
    table, config = Table(file), layout.network
    inputs, embedding = 2 * config.width, config.embedding
    table.layer("t_embed.main.0", "time.hidden", embedding, embedding)
    table.layer("t_embed.main.2", "time.out", embedding, embedding)
    table.layer("start_conv", "conv_in", inputs, 2 * layout.channels, 1, 1)
    shifts = []
    for i, (mult, _) in enumerate(config.blocks()):
        theirs, ours, outputs = f"conv{i + 1}", f"residual.{i}", mult * config.width
        table.layer(f"{theirs}.conv1.0", f"{ours}.conv_in", outputs, inputs, 3, 3)
        table.layer(f"{theirs}.conv2.0", f"{ours}.conv_out", outputs, outputs, 3, 3)
        table.layer(f"{theirs}.skip.0", f"{ours}.skip", outputs, inputs, 1, 1, bias=False)
        shifts.append((f"{theirs}.dense_t1", outputs))
        inputs = outputs
    table.stacked(shifts, "shift", embedding)
    table.layer("final_conv", "conv_out", inputs, inputs + 1, 3, 3)
    table.layer("end_linear", "logit", 1, inputs)
    file.done()
    return table.made
