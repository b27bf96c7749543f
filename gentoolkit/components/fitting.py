"""The rules that hold for every network slot: what data and which conditions it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gentoolkit.registry import Complaint, Facts

MOST_LEVELS = 16


def network_fits(network: Any, facts: Facts) -> Iterable[Complaint]:
    """Complaints where the declared `kinds` and `takes_class` do not meet the facts."""
    if facts.kind not in network.kinds:
        yield "use", f"it takes {' or '.join(network.kinds)}; data '{facts.data}' gives {facts.kind} of shape {facts.shape}"
    if facts.classes is not None and not network.takes_class:
        yield "use", "it takes no class, but model.condition asks for one", 'set model.condition = "none"'


def levels_fit(mults: tuple[int, ...], facts: Facts) -> Iterable[Complaint]:
    """A complaint where the image's sides are not divisible by the levels."""
    if len(mults) > MOST_LEVELS:
        yield "mults", f"{len(mults)} levels are more than any image has; {MOST_LEVELS} is the most"
        return
    factor = 2 ** max(len(mults) - 1, 0)
    if facts.kind == "image" and any(side % factor for side in facts.shape[1:]):
        size = "x".join(map(str, facts.shape[1:]))
        deepest = max(n for n in range(1, 32) if not any(side % 2 ** (n - 1) for side in facts.shape[1:]))
        yield (
            "mults",
            f"{len(mults)} levels need sides divisible by {factor}; data '{facts.data}' is {size}",
            f"{deepest} levels or fewer",
        )


def width_fits(width: int) -> Iterable[Complaint]:
    """A complaint where group norm cannot part the channels into groups of four or more."""
    if width % 4:
        yield "width", f"{width} is no multiple of 4, which group norm needs", f"width = {width + 4 - width % 4}"


def attention_fits(attention: tuple[int, ...], mults: tuple[int, ...]) -> Iterable[Complaint]:
    """A complaint where there are no levels at all, or none of an asked-for number."""
    if not mults:
        yield "mults", "it needs at least one level", "mults = [1]"
    elif missing := [level for level in attention if level >= len(mults)]:
        yield "attention", f"there is no level {missing[0]}; the levels are 0 to {len(mults) - 1}"


def tanh_fits(facts: Facts) -> Iterable[Complaint]:
    """A complaint where a network whose output tanh bounds stands for something unbounded."""
    if facts.target not in ("x_0", "x_prev"):
        yield "tanh", f"it bounds the output, which stands for {facts.target} here and is not bounded", "tanh = false"
    elif not facts.bounded or facts.target == "x_prev":
        yield "tanh", f"the output stands for {facts.target}, which goes beyond [-1, 1] here", "tanh = false"
