"""Predictor-corrector sampling of Song et al. (2021b): a step down, then Langevin steps at the level it came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.samplers import CLIP_HELP, STEPS_HELP, Sampler
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class PredictorCorrector(Sampler):
    """A random step down the grid, then Langevin steps that pull x_s towards q(x_s)."""

    needs_x_0: ClassVar[bool] = True
    deterministic: ClassVar[bool] = True

    steps: int | None = opt(None, STEPS_HELP, ge=1)
    predictor: str = opt(
        "ancestral",
        "the step down: a draw of the model's own, or the reverse diffusion of Song et al., for grids of many steps",
        choices=("ancestral", "reverse-diffusion"),
    )
    corrections: int = opt(1, "Langevin steps, each an evaluation, after every step but the last", ge=1)
    snr: float = opt(0.16, "size of a Langevin step (Song et al.'s r)", gt=0, lt=1)
    clip: bool = opt(False, CLIP_HELP)
    batch: int = opt(500, "samples per chunk", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The reverse diffusion needs something of x_0 in x_T."""
        from .paths import SMALLEST_ALPHA

        if self.predictor == "reverse-diffusion" and facts.alpha_T < SMALLEST_ALPHA:
            said = f"the reverse diffusion is wrong at t = T, where the schedule ends at alpha = {facts.alpha_T:.1g}"
            yield "predictor", said, 'predictor = "ancestral"'

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `CorrectedWalk`."""
        from .langevin import CorrectedWalk
        from .paths import path

        return CorrectedWalk(path(facts.steps, self.steps), self.predictor, self.corrections, self.snr, self.clip)
