"""The straight path of rectified flow (Liu et al., 2023): alpha = 1 - time, sigma = time."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gentoolkit.components.schedules import Schedule
from gentoolkit.registry import component


@component
class Rectified(Schedule):
    """Straight lines from data to noise; x_T is pure noise, so eps cannot be predicted there."""

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(1 - time, time)."""
        return 1 - time, time
