"""The run's log as TensorBoard events in `tensorboard/` of the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.observers import Observer
from gentoolkit.registry import Facts, GentoolError, component


@component
class TensorBoard(Observer):
    """Mirror of the log for TensorBoard; needs the extra `tensorboard`."""

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The writer.

        Raises:
            GentoolError: the package is not installed.
        """
        try:
            from .events import Events
        except ImportError as error:
            raise GentoolError("observer 'tensorboard' needs its package: pip install 'gentoolkit[tensorboard]'") from error
        return Events()
