"""The step grid: float64 tables of time, alpha and sigma, indexed by the paper's t in {0, ..., T}.

x_t = alpha[t] x_0 + sigma[t] eps        alpha[0] = 1, sigma[0] = 0: index 0 is clean data
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from attrs import field, frozen
from torch import Tensor


@frozen
class Curve:
    """A schedule in continuous time: `alpha_sigma(time) -> (alpha, sigma)` for float64 time in [0, 1]."""

    alpha_sigma: Callable[[Tensor], tuple[Tensor, Tensor]]
    prior_std: float = 1.0
    times: Callable[[int, str], Sequence[float]] = lambda steps, spacing: [t / steps for t in range(steps + 1)]
    """Times of the grid points 0..T, for T and a spacing."""

    def grid(self, steps: int, spacing: str = "even") -> StepGrid:
        """The grid of T = `steps` steps.

        Args:
            steps: T.
            spacing: a word that `times` knows.

        Raises:
            ValueError: a grid that breaks `StepGrid`'s rules, as one with more steps than a discrete schedule has.
        """
        time = torch.tensor(self.times(steps, spacing), dtype=torch.float64)
        alpha, sigma = self.alpha_sigma(time[1:])
        one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        return StepGrid(time, torch.cat([one, alpha]), torch.cat([zero, sigma]))


@frozen(eq=False)
class StepGrid:
    """T and the tables `time, alpha, sigma`, each `[T+1]`, float64.

    Raises:
        ValueError: sigma_t = 0 or an SNR that is not finite and strictly decreasing for t >= 1 (0 is legal at T).
    """

    time: Tensor
    alpha: Tensor
    sigma: Tensor
    _copies: dict[torch.device, dict[str, Tensor]] = field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        alpha, sigma = self.alpha, self.sigma
        if not (alpha[0] == 1 and sigma[0] == 0):
            raise ValueError("a step grid starts with clean data: alpha[0] = 1, sigma[0] = 0")
        if not bool((sigma[1:] > 0).all()):
            raise ValueError("sigma must be positive at every t >= 1")
        snr = (alpha[1:] / sigma[1:]) ** 2
        if not bool(torch.isfinite(snr).all()) or bool((alpha[1:-1] <= 0).any()) or alpha[-1] < 0:
            raise ValueError("alpha must be positive and finite before t = T, and not negative there")
        if not bool((snr[1:] < snr[:-1]).all()):
            raise ValueError("the signal-to-noise ratio must fall strictly from step to step")

    @property
    def T(self) -> int:
        """Number of steps."""
        return len(self.time) - 1

    def table(self, name: str, device: torch.device) -> Tensor:
        """`time`, `alpha` or `sigma` on a device, float64 where the device has it; copied there once."""
        copies = self._copies.get(device)
        if copies is None:
            dtype = torch.float32 if device.type == "mps" else torch.float64
            copies = {n: getattr(self, n).to(device, dtype) for n in ("time", "alpha", "sigma")}
            # A table made while shapes are only simulated must not be remembered as a real one.
            if type(copies["time"]) is Tensor:
                self._copies[device] = copies
        return copies[name]

    @property
    def alpha_bar(self) -> Tensor:
        """alpha², for variance-preserving grids.

        Raises:
            ValueError: alpha² + sigma² is not 1.
        """
        if not torch.allclose(self.alpha**2 + self.sigma**2, torch.ones_like(self.alpha), atol=1e-12):
            raise ValueError("alpha_bar and beta exist for variance-preserving grids only")
        return self.alpha**2

    @property
    def beta(self) -> Tensor:
        """beta_t = 1 - alpha_bar_t / alpha_bar_{t-1} at index t; index 0 is 0."""
        a = self.alpha_bar
        return torch.cat([a.new_zeros(1), 1 - a[1:] / a[:-1]])
