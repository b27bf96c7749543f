"""EDM's sampler (Karras et al., 2022, Algorithm 1 and 2), for any schedule through x/alpha."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, STEPS_HELP, Sampler
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class Heun(Sampler):
    """Steps of second order in the noise of x/alpha, two evaluations each, with noise added between them if asked (churn)."""

    needs_x_0: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    steps: int | None = opt(None, STEPS_HELP + "; each but the last evaluates the network twice", ge=1)
    spacing: str = opt("rho", "the grid's steps nearest to EDM's levels, or equal strides of the grid", choices=("rho", "grid"))
    rho: float = opt(7.0, "1 spaces sigma/alpha evenly; a larger one puts more steps near the data", ge=1, le=100)
    churn: float = opt(0.0, "noise added over all steps (EDM's S_churn); 0 is deterministic", ge=0)
    churn_min: float = opt(0.0, "least sigma/alpha at which noise is added (S_min)", ge=0)
    churn_max: float = opt(1e9, "greatest sigma/alpha at which noise is added (S_max)", gt=0)
    churn_noise: float = opt(1.0, "deviation of the added noise (S_noise)", gt=0, le=2)
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Churn goes to levels between the steps."""
        if self.churn > 0 and not facts.any_time:
            yield (
                "churn",
                "it raises the noise to levels between the steps, and the denoiser takes step numbers alone",
                "churn = 0",
            )
        if self.churn_min > self.churn_max:
            yield "churn_min", f"it is above churn_max = {self.churn_max:g}"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `HeunWalk`."""
        from .edm_steps import Churn, HeunWalk
        from .paths import Levels

        def level(ratio: float) -> float:
            return float(ratio ** (1 / self.rho))

        churn = Churn(self.churn, self.churn_min, self.churn_max, self.churn_noise)
        return HeunWalk(Levels(self.steps, level if self.spacing == "rho" else None), churn, self.clip)
