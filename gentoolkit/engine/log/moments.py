"""Running means of everything that is logged, kept on the device and read once per log line."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.methods import Terms

from ..processes.world import World


class Moments:
    """Sums and counts, by name, and of each term by t, since they were last read."""

    def __init__(self, T: int, world: World) -> None:
        self.T, self.world = T, world
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._by_t: dict[str, Tensor] = {}
        self._here: tuple[list[str], Tensor] | None = None

    @torch.no_grad()
    def add(self, update: str, terms: Terms) -> None:
        """Take in an update's terms and logs, each `[B]`."""
        for name, value in {**terms.values, **terms.logs}.items():
            key = f"{update}/{name}"
            self._add(key, value.double().sum(), len(value))
            if terms.t is not None and name in terms.values:
                table = self._by_t.get(key)
                if table is None:
                    table = self._by_t[key] = torch.zeros(2, self.T + 1, dtype=torch.float64, device=value.device)
                table[0].index_add_(0, terms.t, value.double())
                table[1].index_add_(0, terms.t, torch.ones_like(value, dtype=torch.float64))

    @torch.no_grad()
    def add_scalar(self, name: str, value: Tensor) -> None:
        """Take in one number."""
        self._add(name, value.double(), 1)

    def _add(self, name: str, total: Tensor, count: int) -> None:
        if name in self._sums:
            self._sums[name] += total
        else:
            self._sums[name] = total.detach().clone()
        self._counts[name] = self._counts.get(name, 0) + count

    def read(self) -> dict[str, Any]:
        """Means over all processes, and `loss_per_t`; starts anew. Waits for the device. All processes must call it."""
        if not self._sums:
            return {}
        names = list(self._sums)
        device = self._sums[names[0]].device
        counts = torch.tensor([self._counts[n] for n in names], dtype=torch.float64, device=device)
        flat = torch.cat([torch.stack([self._sums[n] for n in names]), counts, *(t.flatten() for t in self._by_t.values())])
        self._here = names, flat[: len(names)].clone()
        values = self.world.sum_(flat).tolist()
        k = len(names)
        means: dict[str, Any] = {n: values[i] / values[k + i] for i, n in enumerate(names)}
        per_t, at = {}, 2 * k
        for name in self._by_t:
            sums, seen = values[at : at + self.T + 1], values[at + self.T + 1 : at + 2 * (self.T + 1)]
            per_t[name] = [s / n if n else None for s, n in zip(sums[1:], seen[1:], strict=True)]
            at += 2 * (self.T + 1)
        if per_t:
            means["loss_per_t"] = per_t
        self._sums, self._counts, self._by_t = {}, {}, {}
        return means

    def broken_here(self) -> list[str]:
        """Names of the means, as last read, that this process alone would have found not finite. Waits for the device."""
        if self._here is None:
            return []
        names, sums = self._here
        return [name for name, fine in zip(names, torch.isfinite(sums).tolist(), strict=True) if not fine]
