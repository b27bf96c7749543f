"""The rules that hold for every network slot: what data and which conditions it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gentoolkit.registry import Complaint, Facts


def network_fits(network: Any, facts: Facts) -> Iterable[Complaint]:
    """Complaints where the declared `kinds` and `takes_class` do not meet the facts."""
    if facts.kind not in network.kinds:
        yield "use", f"it takes {' or '.join(network.kinds)}; data '{facts.data}' gives {facts.kind} of shape {facts.shape}"
    if facts.classes is not None and not network.takes_class:
        yield "use", "it takes no class, but model.condition asks for one", 'set model.condition = "none"'
