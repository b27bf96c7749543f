"""The log-SNR-linear schedule of Variational Diffusion Models (Kingma, Salimans, Poole, Ho, 2021; fixed ends).

log_snr = first + (last - first) time,   alpha² = 1/(1 + exp(-log_snr)),   sigma² = 1/(1 + exp(log_snr)) = 1 - alpha²
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from gentoolkit import component, opt
from gentoolkit.components.schedules import Schedule


@component
class LogLinear(Schedule):
    """The logarithm of the signal-to-noise ratio falls on a straight line (Kingma et al., 2021)."""

    first: float = opt(13.3, "log(alpha²/sigma²) at time 0, where data are to be nearly clean", ge=7)
    last: float = opt(-5.0, "log(alpha²/sigma²) at time 1", le=0, ge=-30)

    def alpha_sigma(self, time: Any, m: ModuleType) -> tuple[Any, Any]:
        """(alpha, sigma); `m` is `math` for a float, `torch` for a tensor."""
        log_snr = self.first + (self.last - self.first) * time
        return 1 / m.sqrt(1 + m.exp(-log_snr)), 1 / m.sqrt(1 + m.exp(log_snr))
