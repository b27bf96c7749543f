"""A time-conditioned convolutional discriminator; its formula stands at the head of `conv_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.discriminators import Discriminator
from gentoolkit.components.fitting import levels_fit
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class Conv(Discriminator):
    """Time-conditioned residual convolutions without normalisation, ending in a sum over pixels; for images."""

    takes_class: ClassVar[bool] = True

    width: int = opt(64, "channels at full resolution", ge=4)
    mults: tuple[int, ...] = opt((1, 2), "channel multiplier per level; each level halves the resolution", ge=1)
    blocks: int = opt(1, "residual blocks per level", ge=1)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Levels against image size."""
        yield from levels_fit(self.mults, facts)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `ConvDiscriminator`."""
        from .conv_network import ConvDiscriminator

        return ConvDiscriminator(self, facts)
