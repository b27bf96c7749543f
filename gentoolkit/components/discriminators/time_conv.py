"""The paper's time-conditioned discriminators; their formula stands at the head of `time_conv_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from gentoolkit.components.discriminators import Discriminator
from gentoolkit.registry import Complaint, Facts, component, opt

LARGEST_END = 8
"""Pixels per side that a preset may leave for the sum at the end: the paper's leave 4."""


class Preset(NamedTuple):
    """What a preset fixes."""

    mults: tuple[int, ...]
    full: int
    zero_end: bool
    """Whether the convolution before the sum starts near zero."""


PRESETS = {"small": Preset((2, 4, 8, 8), 1, True), "large": Preset((4, 8, 8, 8, 8, 8), 0, False)}


@component
class TimeConv(Discriminator):
    """The paper's time-dependent residual network with a minibatch-deviation channel (App. C.1, Table 7); for images."""

    takes_class: ClassVar[bool] = True
    mixes_samples: ClassVar[bool] = True

    preset: str = opt(
        "small",
        "the paper's network for 32x32 (small: up to 64x64) or for 256x256 (large: up to 512x512)",
        choices=("small", "large"),
    )
    width: int = opt(64, "channels that multipliers multiply; the first convolution has twice as many", ge=4)
    mults: tuple[int, ...] | None = opt(None, "channel multiplier of each block, in place of the preset's", ge=1)
    full: int | None = opt(
        None, "how many blocks keep full resolution before the others halve it, in place of the preset's", ge=0
    )
    stddev_group: int = opt(4, "samples whose deviation from each other the last layers see", ge=1)
    stddev_layout: str = opt(
        "contiguous",
        "which samples are a group: neighbours, or as in the authors' code every (batch/group)-th of the device's batch",
        choices=("contiguous", "reference"),
    )
    embedding: int = opt(256, "features of the embedded time, even", ge=4)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))

    def blocks(self) -> tuple[tuple[int, bool], ...]:
        """(multiplier, whether it halves the resolution) of each block."""
        preset = PRESETS[self.preset]
        mults = preset.mults if self.mults is None else self.mults
        full = preset.full if self.full is None else self.full
        return tuple((m, i >= full) for i, m in enumerate(mults))

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Image size against the halvings, the device's batch against the group."""
        yield from self._sizes(facts)
        whole = facts.batch_size or facts.batch
        if facts.batch % min(self.stddev_group, whole):
            yield (
                "stddev_group",
                f"a device sees {facts.batch} samples at once, which groups of {self.stddev_group} do not divide",
                f"a batch per device (training.micro_batch, if set) that {self.stddev_group} divides",
            )
        elif self.stddev_layout == "reference" and facts.batch * facts.processes < whole:
            yield (
                "stddev_layout",
                "every micro-batch would have groups of its own, so that its size would change the result",
                'stddev_layout = "contiguous", or no training.micro_batch',
            )
        if self.embedding % 2:
            yield "embedding", f"{self.embedding} is odd; sines and cosines come in pairs", f"embedding = {self.embedding + 1}"

    def _sizes(self, facts: Facts) -> Iterable[Complaint]:
        blocks = self.blocks()
        if not blocks:
            yield "mults", "it needs at least one block", "mults = [2]"
        if facts.kind != "image":
            return
        factor = 2 ** sum(halves for _, halves in blocks)
        size, own = "x".join(map(str, facts.shape[1:])), self.mults is not None or self.full is not None
        option, other = "mults" if own else "preset", "small" if self.preset == "large" else "large"
        if min(facts.shape[1:]) < factor:
            hint = "fewer mults" if own or self.preset == "small" else 'preset = "small"'
            yield option, f"it takes images from {factor}x{factor} on; data '{facts.data}' gives {size}", hint
        elif not own and max(facts.shape[1:]) > factor * LARGEST_END:
            most = factor * LARGEST_END
            hint = f'preset = "{other}"' if self.preset == "small" else "more mults: each block halves the resolution"
            yield option, f"it takes images up to {most}x{most}; data '{facts.data}' gives {size}", hint

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `TimeConvDiscriminator`."""
        from .time_conv_network import TimeConvDiscriminator

        return TimeConvDiscriminator(self, facts)
