"""Running a network over images for its features: fixed blocks, no gradients, on the model's device, the same each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BLOCK = 64
"""Images that the network sees at once."""


class ImageNetwork:
    """Features of uint8 images.

    Args:
        key: what the features are called in a protocol.
        network: frozen, in eval mode.
        look: features by name, `[n, d]`, of float images `[n, 3, H, W]` in [0, 255] (uint8 ones where `whole`).
        model: the network runs where this one lies; on the CPU without.
        whole: images go in as uint8.
    """

    def __init__(
        self,
        key: str,
        network: nn.Module,
        look: Callable[[nn.Module, Tensor], Mapping[str, Tensor]],
        model: nn.Module | None = None,
        whole: bool = False,
    ) -> None:
        self.key, self._look, self._model, self._whole = key, look, model, whole
        self._network = network.eval().requires_grad_(False)

    def __deepcopy__(self, memo: Any) -> ImageNetwork:
        """Itself: it is large, and nothing changes it."""
        return self

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> dict[str, NDArray[np.float32]]:
        """Features by name, float32 `[n, d]`, of uint8 images `[n, C, H, W]`; one channel becomes three."""
        device = torch.device("cpu") if self._model is None else next(self._model.parameters()).device
        self._network.to(device)
        found: dict[str, list[NDArray[np.float32]]] = {}
        quiet = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with quiet, torch.autocast(device.type, enabled=False):
            for block in samples.split(BLOCK):
                images = block.to(device).expand(-1, 3, -1, -1) if block.shape[1] == 1 else block.to(device)
                for name, rows in self._look(self._network, images if self._whole else images.float()).items():
                    found.setdefault(name, []).append(rows.float().cpu().numpy())
        return {name: np.concatenate(rows) for name, rows in found.items()}
