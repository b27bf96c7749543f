"""Counting samples over the modes of a Gaussian mixture; the formulas are in `mixture.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STDS = 4
COVERED = 10 / 20_000
"""Share of all samples that must be of high quality at a mode for it to count as covered."""


class ModeCounts:
    """Counters over the modes of `mixture`: `means [K][D]`, `std`, `weights [K]`."""

    def __init__(self, mixture: Mapping[str, Any], data: str) -> None:
        self.means = torch.tensor(mixture["means"], dtype=torch.float64)
        self.std = float(mixture["std"])
        self.weights = torch.tensor(mixture["weights"], dtype=torch.float64)
        self.data = data
        self.good = torch.zeros(len(self.means), dtype=torch.int64)
        self.seen = 0

    @property
    def protocol(self) -> str:
        """Data, number of modes and of samples, radius."""
        return f"mixture/{self.data}/{len(self.means)}-modes/{self.seen}/{STDS}-std"

    def prepare(self, real: Any) -> None:
        """Nothing: the mixture is known."""

    def see(self, samples: Tensor) -> dict[str, NDArray[np.int64]]:
        """Samples of high quality by mode (`good`), and their number (`seen`), of samples `[n, D]`; a point that is not finite
        is near no mode."""
        distance, mode = torch.cdist(samples.detach().to("cpu", torch.float64), self.means).min(dim=1)
        good = torch.bincount(mode[distance <= STDS * self.std], minlength=len(self.means))
        return {"good": good.numpy(), "seen": np.array(len(samples))}

    def add(self, seen: Mapping[str, NDArray[np.int64]]) -> None:
        """Take in a chunk's counts."""
        self.good += torch.from_numpy(seen["good"])
        self.seen += int(seen["seen"])

    def compute(self) -> dict[str, float]:
        """`high_quality` share, number of `modes` covered, `kl` in nats; without any sample of high quality the KL is that
        of all samples at the least likely mode."""
        total = int(self.good.sum())
        share = self.good.double() / max(total, 1)
        kl = torch.xlogy(share, share / self.weights).sum() if total else -self.weights.min().log()
        return {
            "high_quality": total / max(self.seen, 1),
            "modes": int((self.good >= max(COVERED * self.seen, 1)).sum()),
            "kl": max(float(kl), 0.0),
        }
