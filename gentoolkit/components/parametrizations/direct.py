"""The network's output *is* x_{t-1}: the paper's *direct denoising* (Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.components.parametrizations import Parametrization
from gentoolkit.registry import Facts, component


@component
class Direct(Parametrization):
    """The network puts out x_{t-1} itself: no predicted x_0, no density, no skipped steps."""

    target: ClassVar[str] = "x_prev"
    density: ClassVar[bool] = False

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `DirectStep`."""
        from .working import DirectStep

        return DirectStep(parts["process"])
