"""The working half of `pixels`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Rows:
    """Samples as rows; `key` is what the rows are called in a protocol."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, samples: Tensor) -> dict[str, NDArray[np.float32]]:
        """`features` `[n, d]`: uint8 pixels in [0, 1], coordinates as they are."""
        rows = samples.flatten(1).float()
        if samples.dtype == torch.uint8:
            rows = rows / 255
        return {"features": rows.cpu().numpy()}
