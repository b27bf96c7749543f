"""The diffusion transformer; its formula stands at the head of `dit_network.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gentoolkit.components.denoisers import Denoiser
from gentoolkit.registry import Complaint, Facts, component, opt


@component
class DiT(Denoiser):
    """Diffusion transformer of Peebles and Xie (2023): patches, adaLN-zero blocks; the defaults are DiT-S/2."""

    takes_latent: ClassVar[bool] = True
    takes_class: ClassVar[bool] = True

    patch: int = opt(2, "side of a patch in pixels; a token is a patch", ge=1)
    hidden: int = opt(384, "width of a token, a multiple of 4", ge=8)
    depth: int = opt(12, "transformer blocks", ge=1)
    heads: int = opt(6, "attention heads", ge=1)
    mlp_ratio: float = opt(4.0, "width of a block's perceptron, in widths of a token", gt=0)
    time_input: str = opt("step", "what of t is embedded", choices=("step", "time", "log_snr"))

    def any_time(self) -> bool:
        """True unless it takes the step index."""
        return self.time_input != "step"

    def check(self, facts: Facts) -> Iterable[Complaint]:
        """Patches against image size, heads against width."""
        if facts.kind == "image" and any(side % self.patch for side in facts.shape[1:]):
            size = "x".join(map(str, facts.shape[1:]))
            fit = [p for p in range(1, self.patch) if not any(side % p for side in facts.shape[1:])]
            said = f"patches of {self.patch}x{self.patch} do not tile the images of data '{facts.data}', {size}"
            yield "patch", said, f"patch = {fit[-1]}"
        if self.hidden % 4:
            said = f"{self.hidden} is no multiple of 4, which sines and cosines of two coordinates need"
            yield "hidden", said, f"hidden = {self.hidden + 4 - self.hidden % 4}"
        if self.hidden % self.heads:
            yield "heads", f"a width of {self.hidden} cannot be parted into {self.heads} heads", f"a divisor of {self.hidden}"
        if self.hidden * self.mlp_ratio < 1:
            yield "mlp_ratio", "it leaves the perceptron without a unit"

    def build(self, facts: Facts, parts: Mapping[str, Any]) -> Any:
        """A `DiTDenoiser`."""
        from .dit_network import DiTDenoiser

        return DiTDenoiser(self, facts)
