"""NCSN++ with adaptive group norm, the generator of DDGAN; its formula stands at the head of `ncsnpp_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.components.fitting import attention_fits, levels_fit, tanh_fits, width_fits
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class NCSNpp(Denoiser):
    """NCSN++ of Song et al. (2021) with AdaGN from the latent: the paper's generator (App. C.1); for images."""

    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    width: int = opt(128, "channels at full resolution, a multiple of 4", ge=4)
    mults: tuple[int, ...] = opt((1, 2, 2, 2), "channel multiplier per level; each level halves the resolution", ge=1)
    blocks: int = opt(2, "residual blocks per level on the way down; one more on the way up", ge=1)
    attention: tuple[int, ...] = opt(
        (1,), "levels with self-attention, 0 is full resolution; between down and up there always is one", ge=0
    )
    progressive_input: str = opt(
        "residual",
        "how the image, made smaller, enters each level: not, as a 1x1 convolution of it, or as a convolved pyramid",
        choices=("none", "input-skip", "residual"),
    )
    progressive_output: str = opt(
        "none",
        "where the output is from: the last level, or the sum of an image made at each level",
        choices=("none", "output-skip"),
    )
    fir: bool = opt(True, "resample with the filter [1, 3, 3, 1] instead of repeating and averaging pixels")
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))
    dropout: float = opt(0.0, "share of features dropped in training", ge=0, lt=1)
    tanh: bool = opt(False, "bound the output to (-1, 1), for predicting x_0 of images, as the authors do")

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
        """An `NCSNppDenoiser`."""
        from .ncsnpp_network import NCSNppDenoiser

        return NCSNppDenoiser(self, facts)
