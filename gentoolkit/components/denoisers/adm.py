"""The U-Net of DDPM, Improved DDPM and ADM; its formula stands at the head of `adm_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.fitting import attention_fits, levels_fit, width_fits
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class ADM(Denoiser):
    """U-Net of Dhariwal and Nichol (2021): multi-head attention by level, scale and shift from the embedded level.

    With `scale_shift = false` and `resample = "conv"` it is the network of Ho et al. (2020).
    """

    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    width: int = opt(128, "channels at full resolution, a multiple of 4", ge=4)
    mults: tuple[int, ...] = opt((1, 2, 2, 2), "channel multiplier per level; each level halves the resolution", ge=1)
    blocks: int = opt(2, "residual blocks per level on the way down; one more on the way up", ge=1)
    attention: tuple[int, ...] = opt((1, 2), "levels with self-attention, beside the middle; 0 is full resolution", ge=0)
    head_channels: int = opt(64, "channels of an attention head", ge=1)
    scale_shift: bool = opt(True, "the level scales and shifts the second norm's output; else it shifts that norm's input")
    resample: str = opt(
        "residual",
        "between levels: residual blocks that pool and repeat pixels (BigGAN), or convolutions alone (conv)",
        choices=("residual", "conv"),
    )
    dropout: float = opt(0.0, "share of features dropped in training", ge=0, lt=1)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))

    def any_time(self) -> bool:
        """True unless it takes the step index."""
        return self.time_input != "step"

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Levels against image size, heads against channels."""
        yield from levels_fit(self.mults, facts)
        yield from width_fits(self.width)
        misplaced = list(attention_fits(self.attention, self.mults))
        yield from misplaced
        if misplaced:
            return
        # The middle, at the last level, attends too.
        for level in sorted({*self.attention, len(self.mults) - 1}):
            channels = self.width * self.mults[level]
            if channels % self.head_channels:
                said = f"the {channels} channels of level {level} cannot be parted into heads of {self.head_channels}"
                yield "head_channels", said, f"a divisor of {channels}"
                return

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """An `ADMDenoiser`."""
        from .adm_network import ADMDenoiser

        return ADMDenoiser(self, facts)
