"""gamma ( (D(x_{t-1}) - a_fake)² + (D(x'_{t-1}) - a_real)² ),   a <- a + (1 - d) (mean logit - a),

d = min(decay, (1 + n)/(10 + n)) after n updates, as for the averages of weights: the zeros at the start are forgotten at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.regularizers import Judged
from gentoolkit.diffusion import Draw


class LogitAverages(nn.Module):
    """The working half of `LeCam`; a term sees the averages of the steps before its own."""

    real: Tensor
    fake: Tensor
    updates: Tensor

    def __init__(self, gamma: float, decay: float) -> None:
        super().__init__()
        self.gamma, self.decay = gamma, decay
        for name in ("real", "fake", "updates"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, discriminate: Callable[[Tensor], Tensor], judged: Judged, rng: Draw) -> Tensor:
        """The term, `[B]`."""
        r, f = over_scales(judged.real_logits), over_scales(judged.fake_logits)
        value: Tensor = self.gamma * ((r - self.fake).square() + (f - self.real).square())
        return value

    def statistics(self, judged: Judged) -> Mapping[str, Tensor]:
        """The logits, `[B]` each."""
        return {"real": over_scales(judged.real_logits), "fake": over_scales(judged.fake_logits)}

    @torch.no_grad()
    def follow(self, means: Mapping[str, Any]) -> None:
        """Take in the mean logits of a step."""
        keep = ((1 + self.updates) / (10 + self.updates)).clamp(max=self.decay)
        self.real.lerp_(means["real"].to(self.real.dtype), 1 - keep)
        self.fake.lerp_(means["fake"].to(self.fake.dtype), 1 - keep)
        self.updates.add_(1)
