"""The working half of `sample-grid`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gentoolkit.components.pictures import picture
from gentoolkit.registry import Facts, hookimpl


class SamplePictures:
    """Writes `samples/step-NNNNNNNN.png`, complete or not at all."""

    def __init__(self, every: int, samples: int, facts: Facts) -> None:
        self.every, self.samples, self.facts = every, samples, facts

    @hookimpl
    def wants(self, step: int) -> int:
        """`samples` after every so many steps and after the last one."""
        due = step > 0 and (step % self.every == 0 or step == self.facts.training_steps)
        return self.samples if due else 0

    @hookimpl
    def sampled(self, run: Any, step: int, samples: Any) -> None:
        """Draw the first of the samples that somebody wanted."""
        if not self.wants(step):
            return
        folder = Path(run.folder) / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".step-{step:08d}.part"
        picture(samples[: self.samples], self.facts).save(unfinished, format="PNG")
        unfinished.replace(folder / f"step-{step:08d}.png")
