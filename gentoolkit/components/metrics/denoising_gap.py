"""How far the model's p(x_{t-1} | x_t) is from the exact q(x_{t-1} | x_t), at every t: the paper's Eq. 4, seen by its draws.

    gap_t = Σ_i (2 E‖p - q‖ - E‖p - p'‖ - E‖q - q'‖) / Σ_i 2 E‖p - q‖,      x_t^i ~ q(x_t)

p, p' independent draws of the model at x_t^i and q, q' of the oracle: the energy distance (Székely, Rizzo, 2013) without bias,
over its largest value. 0 where the two are one distribution, 1 where they are apart from each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric


@component
class DenoisingGap(Metric):
    """Distance of the model's denoising steps from the exact ones of a Gaussian mixture, per t."""

    kinds: ClassVar[tuple[str, ...]] = ("points",)

    points: int = opt(300, "points x_t at each t", ge=2)
    draws: int = opt(64, "draws of x_{t-1} from each of them", ge=2)
    steps: int = opt(8, "values of t at most, evenly spread from 1 to T", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The exact step is known of mixtures alone."""
        if facts.mixture is None:
            yield "use", f"data '{facts.data}' is no Gaussian mixture, so its exact steps are not known"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """What draws from both."""
        from .step_gaps import StepGaps

        return StepGaps(self.points, self.draws, self.steps)
