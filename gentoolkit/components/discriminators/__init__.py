"""Discriminators: D(x_{t-1}, x_t, t), the judge of a denoising step (paper, Eq. 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from gentoolkit.components.fitting import network_fits
from gentoolkit.registry import Complaint, Component, Facts


def over_scales(values: Any) -> Any:
    """Logits or their losses `[B]` or `[B, K]` as `[B]`: the mean over a discriminator's scales."""
    return values if values.dim() == 1 else values.flatten(1).mean(1)


class Discriminator(Component):
    """`build` returns an `nn.Module` with `forward(x_prev, x_t, level, condition) -> logits`, `[B]` or `[B, K]` for
    several scales. Logits, not probabilities. It may name its `blocks`, as a denoiser does."""

    slot: ClassVar[str] = "discriminator"

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    takes_class: ClassVar[bool] = False
    mixes_samples: ClassVar[bool] = False
    """Whether the logit of a sample depends on the others of its batch (minibatch standard deviation)."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The network's kinds of data and conditions against the recipe's."""
        yield from network_fits(self, facts)
