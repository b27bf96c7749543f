"""No latent: each denoising step is unimodal, as in DDPM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gentoolkit.components.latents import Latent
from gentoolkit.registry import Facts, component


@component
class NoLatent(Latent):
    """No latent variable: the network is a function of x_t and t alone."""

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """None."""
        return None
