"""A convolutional inference network; its formula stands at the head of `conv_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.encoders import Encoder
from gentoolkit.components.fitting import levels_fit, width_fits
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class Conv(Encoder):
    """Residual convolutions and one linear layer to a diagonal Gaussian; for images."""

    takes_class: ClassVar[bool] = True

    width: int = opt(32, "channels at full resolution, a multiple of 4", ge=4)
    mults: tuple[int, ...] = opt((1, 2), "channel multiplier per level; each level halves the resolution", ge=1)
    blocks: int = opt(1, "residual blocks per level", ge=1)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Levels against image size."""
        yield from levels_fit(self.mults, facts)
        yield from width_fits(self.width)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `ConvEncoder`."""
        from .conv_network import ConvEncoder

        return ConvEncoder(self, facts)
