"""Augmentations of what a discriminator sees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from gentoolkit.registry import Complaint, Component, Facts


class Augmentation(Component):
    """`build` returns a differentiable `(x, rng) -> x`; a pair (x_prev, x_t) is stacked along channels, so that both
    get the same draw, unless `both` is false: then it changes x_prev alone. `parts["process"]` is the forward process."""

    slot: ClassVar[str] = "augmentation"

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    both: ClassVar[bool] = True
    """Whether x_t, which the discriminator is told, changes with the x_prev that it judges."""

    def fits(self, facts: Facts) -> Iterable[Complaint]:
        """The kinds of data that it changes."""
        if facts.kind not in self.kinds:
            takes = " or ".join(self.kinds)
            yield "use", f"it takes {takes}; data '{facts.data}' gives {facts.kind} of shape {facts.shape}"
