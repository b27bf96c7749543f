"""What is put together of denoiser, latent, parametrization and forward process: p_theta(x_s | x_t).

    x_s ~ p_theta(x_s | x_t) = ∫ p(z) q(x_s | x_t, x_0 = G(x_t, z, t)) dz        (paper, Eq. 5; s = t - 1)

`StepModel` is the only thing that samplers, metrics and editing see of a trained model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.diffusion import Draw, GaussianForward


@dataclass(frozen=True, eq=False)
class Condition:
    """What networks see besides x_t and its level. Every field may be absent."""

    y: Tensor | None = None
    """Classes `[B]`, int64."""
    w: Tensor | None = None
    """The latent as the network sees it, `[B, w]`."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """Named extra tensors `[B, ...]` (paired data)."""

    def __getitem__(self, rows: slice) -> Condition:
        """The condition of some of the samples."""
        return self._each(lambda v: v[rows])

    def to(self, device: torch.device | str) -> Condition:
        """The condition on another device."""
        return self._each(lambda v: v.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Condition:
        y, w = (None if v is None else change(v) for v in (self.y, self.w))
        return Condition(y, w, {k: change(v) for k, v in self.tensors.items()})


class StepModel(nn.Module):
    """One denoising step: denoiser + latent + parametrization + forward process.

    Its parameters are the denoiser's and the latent's mapping network's: one net, one average, one count.
    """

    def __init__(self, denoiser: nn.Module, latent: nn.Module | None, parametrization: Any, forward: GaussianForward) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.latent = latent
        self.parametrization = parametrization
        self.process = forward

    def draw_z(self, rng: Draw) -> Tensor | None:
        """z ~ p(z), `[B, dim]`; None without a latent."""
        z: Tensor | None = None if self.latent is None else self.latent.draw(rng)  # type: ignore[operator]
        return z

    def raw(self, x_t: Tensor, t: Tensor, z: Tensor | None, condition: Condition) -> Tensor:
        """The network's output at step t `[B]`, in the parametrization's terms."""
        if self.latent is not None:
            condition = replace(condition, w=self.latent(z))
        x_in, level = self.parametrization.inputs(x_t, t)
        return self.denoiser(x_in, level, condition)  # type: ignore[no-any-return]

    def x_0_hat(self, x_t: Tensor, t: Tensor, z: Tensor | None, condition: Condition) -> Tensor:
        """The predicted clean sample; needs a parametrization that has one."""
        return self.parametrization.x_0(self.raw(x_t, t, z, condition), x_t, t)  # type: ignore[no-any-return]

    def step(self, x_t: Tensor, t: Tensor, s: Tensor, rng: Draw, condition: Condition, z: Tensor | None = None) -> Tensor:
        """x_s ~ p(x_s | x_t), differentiable; z is drawn unless given."""
        if z is None:
            z = self.draw_z(rng)
        return self.parametrization.step(self.raw(x_t, t, z, condition), x_t, t, s, rng)  # type: ignore[no-any-return]

    def distribution(self, x_t: Tensor, t: Tensor, s: Tensor, z: Tensor | None, condition: Condition) -> Any:
        """The Gaussian p(x_s | x_t, z)."""
        return self.parametrization.distribution(self.raw(x_t, t, z, condition), x_t, t, s)
