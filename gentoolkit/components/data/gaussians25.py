"""25 Gaussians on a 5 x 5 grid, the paper's Fig. 2 and Tab. 5.

    x_0 ~ Σ_i 1/25 N(μ_i, τ² I),   μ_i in {-4, -2, 0, 2, 4}² / 2.828,   τ = 0.05 / 2.828

The scale makes the variance of a coordinate about 1. Values go beyond [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Facts, component, opt

from . import Data, DataSpec

SCALE = 2.828
MEANS = tuple((x / SCALE, y / SCALE) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4))
STD = 0.05 / SCALE
WEIGHTS = (1 / 25,) * 25


@component
class Gaussians25(Data):
    """25 Gaussians in the plane, on a 5 x 5 grid: multimodality one can see and count."""

    licence: ClassVar[str] = "CC0-1.0 (synthetic)"
    citation: ClassVar[str] = (
        "Xiao, Kreis, Vahdat (2022), Tackling the Generative Learning Trilemma with Denoising Diffusion GANs"
    )

    size: int = opt(100_000, "points in an epoch", ge=1)
    seed: int = opt(0, "point i is a function of (seed, i)", ge=0)

    def spec(self) -> DataSpec:
        """Points `[2]` that are not bounded, and the mixture they come from."""
        return DataSpec(
            kind="points",
            shape=(2,),
            bounded=False,
            mixture={"means": MEANS, "std": STD, "weights": WEIGHTS},
            licence=self.licence,
            citation=self.citation,
        )

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The points, drawn at once: 8 bytes each."""
        from .drawn import mixture_points

        return mixture_points(MEANS, STD, WEIGHTS, self.size, self.seed)
