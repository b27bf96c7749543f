"""Other people's reference statistics: `.npz` files of ADM and EDM, with `mu` and `sigma`, or a batch `arr_0` of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gentoolkit.components.npz_files import NpzFile, file_sha256
from gentoolkit.registry import GentoolError

LARGEST = 2**30
"""Bytes of a covariance."""
BLOCK = 256


def statistics_of(path: str | Path, features: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """(mean `[d]`, covariance `[d, d]`, what the protocol calls them: the file's sha256, and what was taken of it).

    Raises:
        GentoolError: the file holds neither, or they cannot be a mean and a covariance.
    """
    file = NpzFile(path)
    name = f"npz-{file_sha256(path)[:8]}"
    if {"mu", "sigma"} <= file.headers.keys():
        mean, covariance = (file.read(k, LARGEST).astype(np.float64) for k in ("mu", "sigma"))
        judge(path, mean, covariance)
        return mean, covariance, f"{name}-statistics"
    if "arr_0" not in file.headers:
        raise GentoolError(f"{path} holds neither mu and sigma nor a batch of images arr_0, but {', '.join(file.headers)}")
    header = file.header("arr_0")
    shape = header.shape
    if header.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3) or shape[0] < 2:
        raise GentoolError(f"{path}: arr_0 is {header.dtype} {shape}; a batch of images is uint8 [N, H, W, 3], N at least 2")
    from gentoolkit.components.features.reference import moments

    rows = [
        features(torch.from_numpy(np.ascontiguousarray(piece.transpose(0, 3, 1, 2))))["features"]
        for piece in file.rows("arr_0", BLOCK)
    ]
    return *moments(np.concatenate(rows)), f"{name}-{shape[0]}"


def judge(path: str | Path, mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> None:
    """Whether these are a mean and a covariance.

    Raises:
        GentoolError: they are not.
    """
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
        raise GentoolError(
            f"{path}: mu {mean.shape} and sigma {covariance.shape} are no mean and covariance; (d,) and (d, d) are"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise GentoolError(f"{path}: mu or sigma has values that are not finite")
    scale = float(np.abs(covariance).max())
    if (np.diag(covariance) < 0).any() or float(np.abs(covariance - covariance.T).max()) > 1e-4 * scale:
        raise GentoolError(f"{path}: sigma is no covariance: it is not symmetric, or has a negative variance")
