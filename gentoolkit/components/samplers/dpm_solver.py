"""DPM-Solver++ (2M) of Lu et al. (2022b): a multistep solver of the probability-flow equation in log-SNR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, STEPS_HELP, Sampler
from gentoolkit.registry import Facts, component, opt


@component
class DPMSolverPP(Sampler):
    """Deterministic steps of second order for one evaluation each, from the last two predictions of x_0."""

    needs_x_0: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    steps: int | None = opt(None, STEPS_HELP, ge=1)
    spacing: str = opt(
        "grid", "equal strides of the grid, or its steps nearest to equal ones in log-SNR", choices=("grid", "log-snr")
    )
    rule: str = opt(
        "midpoint",
        "how the line through two predictions is integrated: by its middle, as in the paper, or exactly",
        choices=("midpoint", "exact"),
    )
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Multistep`."""
        from .multistep import Multistep
        from .paths import Levels, log_level

        return Multistep(Levels(self.steps, log_level if self.spacing == "log-snr" else None), self.rule, self.clip)
