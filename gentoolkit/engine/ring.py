"""Batches of images in memory that data workers share with the training process, used again and again.

Workers usually hand a batch over in shared memory that is made for it, and each fresh page of it is a fault: at 256 pixels that
costs as much as decoding a JPEG. Here batch b lies in place b mod P. It is written again when the batch P later is being
prepared, so with two places more than the loader ever has under way, the training process has left it by then.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SPARE = 2


class Ring:
    """Places for batches of uint8 images.

    Args:
        under_way: batches that workers may be preparing at once.
        shape: (n, H, W, C) of a batch.
    """

    def __init__(self, under_way: int, shape: tuple[int, int, int, int]) -> None:
        self._places = torch.zeros(under_way + SPARE, *shape, dtype=torch.uint8).share_memory_()

    def place(self, number: int) -> NDArray[np.uint8]:
        """Where batch `number` is written, `[n, H, W, C]`."""
        place: NDArray[np.uint8] = self._places[number % len(self._places)].numpy()
        return place

    def batch(self, number: int) -> Tensor:
        """Batch `number` as `[n, C, H, W]`; to be copied before the next but one is asked for."""
        batch: Tensor = self._places[number % len(self._places)]
        return batch.permute(0, 3, 1, 2)
