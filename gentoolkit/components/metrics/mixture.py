"""Samples of a Gaussian mixture whose modes are known (Srivastava et al. 2017; Lin et al. 2018; DDGAN, Tab. 5).

high quality   ‖x - μ_k‖ ≤ 4 τ for the nearest mode k
mode k covered at least 10 of 20 000 samples are of high quality and nearest to it
kl             Σ_k h_k ln(h_k / π_k),  h the histogram of the high-quality samples over the modes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Complaint, Facts, component, opt

from . import Metric


@component
class Mixture(Metric):
    """Quality and coverage on a Gaussian mixture: high-quality share, modes covered, KL over the modes."""

    kinds: ClassVar[tuple[str, ...]] = ("points",)
    better: ClassVar[Mapping[str, str]] = {"high_quality": "higher", "modes": "higher", "kl": "lower"}

    samples: int = opt(20_000, "samples that are judged", ge=1)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """The data must be a mixture."""
        if facts.mixture is None:
            yield "use", f"data '{facts.data}' is no Gaussian mixture, so it has no known modes"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """The counters."""
        from .mode_counts import ModeCounts

        assert facts.mixture is not None
        return ModeCounts(facts.mixture, facts.data)
