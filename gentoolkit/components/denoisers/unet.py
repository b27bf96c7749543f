"""A compact image U-Net; its formula stands at the head of `unet_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.fitting import attention_fits, levels_fit, tanh_fits, width_fits
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class UNet(Denoiser):
    """Compact image U-Net: residual blocks, AdaGN from the latent, self-attention where asked."""

    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    width: int = opt(64, "channels at full resolution, a multiple of 4", ge=4)
    mults: tuple[int, ...] = opt((1, 2), "channel multiplier per level; each level halves the resolution", ge=1)
    blocks: int = opt(1, "residual blocks per level, on the way down and again on the way up", ge=1)
    attention: tuple[int, ...] = opt((), "levels with self-attention; 0 is full resolution", ge=0)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))
    dropout: float = opt(0.0, "share of features dropped in training", ge=0, lt=1)
    tanh: bool = opt(False, "bound the output to (-1, 1), for predicting x_0 of images")

    def any_time(self) -> bool:
        """True unless it takes the step index."""
        return self.time_input != "step"

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Levels against image size, tanh against what is predicted."""
        yield from levels_fit(self.mults, facts)
        yield from width_fits(self.width)
        yield from attention_fits(self.attention, self.mults)
        if self.tanh:
            yield from tanh_fits(facts)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `UNetDenoiser`."""
        from .unet_network import UNetDenoiser

        return UNetDenoiser(self, facts)
