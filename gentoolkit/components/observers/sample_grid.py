"""A picture of the same samples again and again over a run: `samples/step-00001000.png` in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.registry import Facts, component, opt

from . import Observer


@component
class SampleGrid(Observer):
    """PNG pictures of samples while a run goes on: a grid of images, or a scatter plot of points."""

    every: int = opt(1000, "steps between pictures; the last step has one too", ge=1)
    samples: int | None = opt(None, "samples in a picture; 64 images or 2000 points unless given", ge=1)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The watcher of a run."""
        from .sampled_pictures import SamplePictures

        return SamplePictures(self.every, self.samples or (64 if facts.kind == "image" else 2000), facts)
