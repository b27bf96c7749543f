"""Latents: the randomness z that makes a denoising step multimodal (paper, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gentoolkit.registry import Component, Facts


class Latent(Component):
    """`build` returns a module with `draw(rng) -> z [B, dim]`, `log_prior(z) -> [B]` and `forward(z) -> w [B, w]`, or
    None for no latent. With `kl(r: Gaussian) -> [B]` a conditional VAE uses the closed form, and else an estimate from
    `log_prior`. How w enters a network is the network's business."""

    slot: ClassVar[str] = "latent"
    offers: ClassVar[tuple[str, ...]] = ("latent", "w")

    def sizes(self, facts: Facts) -> tuple[int | None, int | None]:
        """(width of z, width of w); (None, None) without a latent."""
        return None, None

    def offer(self, facts: Facts) -> Mapping[str, Any]:
        """Widths of z and w."""
        z, w = self.sizes(facts)
        return {"latent": z, "w": w}
