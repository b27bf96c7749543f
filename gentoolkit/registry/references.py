"""Options that point at another run."""

from __future__ import annotations

from attrs import frozen


@frozen
class RunRef:
    """Another run's model, as an option's type: distillation's teacher, the start of fine-tuning.

    In a recipe a path to a run folder; in `parts`, under the option's name, that run's `StepModel`, built from its
    resolved recipe and newest checkpoint, frozen and in eval mode.
    """

    path: str
    weights: str = "ema"
    """`ema`, `raw`, or the name of another of its averages."""
