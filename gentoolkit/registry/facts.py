"""Facts: what the parts of a recipe know of each other before any of them is built.

Facts flow down a fixed order (data, process, latent, parametrization, denoiser, method, sampler, metrics).
A part reads them in `check` and `build`, and adds to them in `offer`. They are never options: nobody writes
the image shape or the number of classes into a network's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, fields_dict, frozen


@frozen(kw_only=True)
class Facts:
    """The shared, torch-free knowledge about one recipe. Every field has a neutral default."""

    kind: str = "image"
    """`image` for shape (C, H, W), `points` for shape (D,)."""
    shape: tuple[int, ...] = (1, 8, 8)
    """Shape of one x_0, without the batch."""
    bounded: bool = True
    """Whether x_0 lies in [-1, 1]."""
    data: str = ""
    """Name of the data component."""
    labels: int | None = None
    """Number of classes the data knows; None where it has no labels."""
    classes: int | None = None
    """Number of classes the networks are conditioned on; None where the model is unconditional."""
    tensors: Mapping[str, tuple[int, ...]] = {}
    """Named extra tensors of the condition and their shapes (paired data)."""
    mixture: Mapping[str, Any] | None = None
    """`means`, `std` and `weights` where the data is a Gaussian mixture."""
    steps: int = 4
    """T, the number of denoising steps."""
    spacing: str = "even"
    """How the steps lie in time, `even` or `quadratic`."""
    alpha_T: float = 1.0
    """alpha at t = T; 0 means that x_T holds nothing of x_0."""
    latent: int | None = None
    """Width of z; None without a latent."""
    w: int | None = None
    """Width of w, what the networks see of z; None without a latent."""
    raw_channels: int = 1
    """Channels (or dimensions) that the denoiser puts out."""
    target: str = "x_0"
    """What the denoiser's output stands for: `x_0`, `eps`, `v`, `edm`, `x_prev`, or a plugin's own word."""
    density: bool = True
    """Whether p(x_{t-1} | x_t, z) has a density (a Gaussian) under the parametrization."""
    any_time: bool = False
    """Whether the denoiser takes times off the training grid."""
    batch: int = 64
    """Samples that one device sees at once (the micro-batch)."""
    batch_size: int | None = None
    """Samples per optimisation step over all devices and micro-batches; None where nothing is known but `batch`."""
    processes: int = 1
    """Number of devices that share them."""
    training_steps: int = 1000
    """Optimisation steps of the run."""
    more: Mapping[str, Any] = {}
    """Facts of plugins, keyed `namespace/name`."""

    def with_(self, offered: Mapping[str, Any]) -> Facts:
        """These facts with `offered` laid over them; a key with a `/` goes to `more`."""
        known = {k: v for k, v in offered.items() if k in fields_dict(Facts)}
        extra = {k: v for k, v in offered.items() if "/" in k}
        strange = sorted(set(offered) - set(known) - set(extra))
        if strange:
            raise ValueError(
                f"no fact is called {strange[0]!r}; a plugin's own facts are named 'namespace/name', "
                f"the shared ones are {', '.join(fields_dict(Facts))}"
            )
        if extra:
            known["more"] = {**self.more, **extra}
        return evolve(self, **known)
