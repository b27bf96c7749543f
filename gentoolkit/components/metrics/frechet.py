"""The Fréchet distance between two Gaussians (Dowson, Landau 1982), in float64 through symmetric eigendecompositions.

    d² = |μ_1 - μ_2|² + tr Σ_1 + tr Σ_2 - 2 tr (Σ_1 Σ_2)^½,     Σ_i = A_i A_iᵀ  =>  tr (Σ_1 Σ_2)^½ = Σ_k σ_k(A_1ᵀ A_2)

Singular values come from the Gram matrix of the smaller side, so that covariances of few samples, which have not full rank, add
no noise of square roots of zeros.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Array = NDArray[np.float64]


@frozen(eq=False)
class Gaussian:
    """A mean `[d]` and a factor `[d, r]` of a covariance of rank r."""

    mean: Array
    factor: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Gaussian:
        """From moments; eigenvalues within rounding of 0 are 0."""
        values, vectors = np.linalg.eigh(covariance)
        kept = values > len(values) * np.finfo(np.float64).eps * max(float(values[-1]), 0)
        return cls(mean, vectors[:, kept] * np.sqrt(values[kept]))


def frechet(a: Gaussian, b: Gaussian) -> float:
    """The squared distance d²."""
    apart = a.mean - b.mean
    cross = a.factor.T @ b.factor
    gram = cross @ cross.T if cross.shape[0] <= cross.shape[1] else cross.T @ cross
    common = np.sqrt(np.linalg.eigvalsh(gram).clip(0)).sum() if gram.size else 0.0
    return float(apart @ apart + (a.factor**2).sum() + (b.factor**2).sum() - 2 * common)
