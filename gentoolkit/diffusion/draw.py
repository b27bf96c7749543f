"""Random numbers as a pure function of what they are for.

    draw = Draw((seed, "train", step, "denoiser"), 0, 512)
    t = draw.integers("t", 1, T)            # [512]
    z = draw.normal("z", (100,))            # [512, 100]

Number i of a draw depends on the key, the name and i alone: not on how many samples are drawn beside it, on the process
that draws it or on what was drawn before. Counter-based Philox (Salmon et al., 2011), one stream per 64 samples; always
drawn on the CPU in float32, so that every device and precision sees the same noise.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

BLOCK = 64


class Draw:
    """A source of named draws for the samples `start..stop - 1` of a batch.

    Args:
        key: what the numbers are for; any values with a stable `repr`.
        start: first sample slot.
        stop: one past the last sample slot.
        device: where the tensors go.
        dtype: of real draws.
    """

    def __init__(
        self,
        key: tuple[Any, ...],
        start: int,
        stop: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not 0 <= start < stop:
            raise ValueError(f"sample slots {start}..{stop} are empty or negative")
        self.key, self.start, self.stop, self.device, self.dtype = key, start, stop, torch.device(device), dtype
        self._taken: set[str] = set()

    def __len__(self) -> int:
        return self.stop - self.start

    def scope(self, *key: Any) -> Draw:
        """The same slots under a longer key: names drawn there are independent of those drawn here."""
        return Draw((*self.key, *key), self.start, self.stop, self.device, self.dtype)

    def normal(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal, `[B, *shape]`."""
        return self._real(name, shape, lambda g, size: g.standard_normal(size, dtype=np.float32))

    def uniform(self, name: str, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on [0, 1), `[B, *shape]`."""
        return self._real(name, shape, lambda g, size: g.random(size, dtype=np.float32))

    def integers(self, name: str, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Uniform on {low, ..., high}, both included; int64 `[B, *shape]`."""
        rows = self._rows(name, shape, lambda g, size: g.integers(low, high, size, dtype=np.int64, endpoint=True))
        return torch.from_numpy(rows).to(self.device, non_blocking=True)

    def seed(self) -> int:
        """A number for seeding generators that are not ours (dropout's), keyed like a draw and by the first slot."""
        return int.from_bytes(blake2b(repr((*self.key, "seed", self.start)).encode(), digest_size=7).digest(), "little")

    def _real(self, name: str, shape: tuple[int, ...], draw: Any) -> Tensor:
        rows = torch.from_numpy(self._rows(name, shape, draw))
        return rows.to(self.device, non_blocking=True).to(self.dtype)

    def _rows(self, name: str, shape: tuple[int, ...], draw: Any) -> np.ndarray[Any, Any]:
        if name in self._taken:
            raise ValueError(f"'{name}' was drawn twice under {self.key}: the second draw would repeat the first; use scope()")
        self._taken.add(name)
        digest = blake2b(repr((*self.key, name)).encode(), digest_size=16).digest()
        key = np.frombuffer(digest, dtype=np.uint64)
        pieces = []
        for block in range(self.start // BLOCK, (self.stop - 1) // BLOCK + 1):
            generator = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, block]))
            first = max(self.start - block * BLOCK, 0)
            last = min(self.stop - block * BLOCK, BLOCK)
            pieces.append(draw(generator, (last, *shape))[first:])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
