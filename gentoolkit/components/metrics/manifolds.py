"""Balls around samples; what is counted in them is said in `precision_recall.py` and `density_coverage.py`."""

from __future__ import annotations

import numpy as np
import torch

from .distances import blocks, nearest_others
from .gathered import Gathered


class Balls(Gathered):
    """Precision and recall, by the function of torch-fidelity that holds no matrix of all distances."""

    def compute(self) -> dict[str, float]:
        """`precision`, `recall`, and `f_score`, their harmonic mean."""
        from torch_fidelity.metric_prc import prc_features_to_metric

        samples, real = (torch.from_numpy(np.array(rows)) for rows in self.sides())
        found = prc_features_to_metric(samples, real, prc_neighborhood=self.k, save_cpu_ram=True, verbose=False)
        return {name: float(value) for name, value in found.items()}


class Occupied(Gathered):
    """Density and coverage."""

    def compute(self) -> dict[str, float]:
        """`density`, which may be above 1, and `coverage`."""
        samples, real = self.sides()
        radius = nearest_others(real, self.k)[0][:, -1]
        inside, covered = 0, 0
        for first, apart in blocks(real, samples):
            within = apart <= radius[first : first + len(apart), None]
            inside += int(within.sum())
            covered += int(within.any(1).sum())
        return {"density": inside / (self.k * len(samples)), "coverage": covered / len(real)}
