"""Predict something of x_0, then draw x_s from the posterior q(x_s | x_t, x̂_0)   (paper, Eq. 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.parametrizations import Parametrization
from gentoolkit.registry import Complaint, Facts, component, opt

SMALLEST_ALPHA = 1e-4
"""Below this alpha_T, x_0 = (x_T - sigma eps)/alpha amplifies the network's error beyond use."""

VARIANCE_HELP = (
    "variance of p(x_s | x_t): the posterior's (fixed-small), the transition's (fixed-large), or learned between the two, "
    "for which the network has twice the channels"
)
VARIANCES = ("fixed-small", "fixed-large", "learned")


def build(config: Any, parts: Mapping[str, Any]) -> Any:
    """The working half, for whatever `config.target` says the network puts out."""
    from .working import Posterior

    return Posterior(parts["process"], config.target, config.variance)


@component
class X0Posterior(Parametrization):
    """The network predicts x_0 (paper, Eq. 6): DDGAN's parametrization."""

    target: ClassVar[str] = "x_0"
    variance: str = opt("fixed-small", VARIANCE_HELP, choices=VARIANCES)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Posterior`."""
        return build(self, parts)


@component
class EpsPosterior(Parametrization):
    """The network predicts the noise eps (Ho et al., 2020); the paper's *noise generation* under DDGAN."""

    target: ClassVar[str] = "eps"
    variance: str = opt("fixed-small", VARIANCE_HELP, choices=VARIANCES)

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """x_T must hold something of x_0."""
        if facts.alpha_T < SMALLEST_ALPHA:
            yield (
                "use",
                f"eps does not determine x_0 at t = T, where the schedule ends at alpha = {facts.alpha_T:.1g}",
                'model.parametrization = "v-posterior" or "x0-posterior"',
            )

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Posterior`."""
        return build(self, parts)


@component
class VPosterior(Parametrization):
    """The network predicts v = alpha eps - sigma x_0 (Salimans and Ho, 2022)."""

    target: ClassVar[str] = "v"
    variance: str = opt("fixed-small", VARIANCE_HELP, choices=VARIANCES)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Posterior`."""
        return build(self, parts)


@component
class EDMPosterior(Parametrization):
    """The network is preconditioned as in EDM (Karras et al., 2022): x_0 is part x_t, part output, by the level."""

    target: ClassVar[str] = "edm"
    sigma_data: float = opt(0.5, "standard deviation of the data; 0.5 is EDM's for images", gt=0)
    variance: str = opt("fixed-small", VARIANCE_HELP, choices=VARIANCES)

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `Preconditioned`."""
        from .working import Preconditioned

        return Preconditioned(parts["process"], self.sigma_data, self.variance)
