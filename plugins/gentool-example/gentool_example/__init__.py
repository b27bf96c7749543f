"""An example plugin: everything here comes into gentoolkit through its one public door.

example/log-linear    schedule    log-SNR falls on a straight line
example/mixture       latent      z from one of several equal Gaussians
example/sparkline     observer    the losses of a run as one line of text each
example/gaussians25   recipe      all three on 25 Gaussians
"""

from __future__ import annotations

from gentoolkit import hookimpl
from gentoolkit.registry import Registrar


@hookimpl
def gentoolkit_register(registry: Registrar) -> None:
    """Name what there is. Nothing is imported until a recipe names it."""
    registry.add("schedule", "log-linear", "gentool_example.log_linear:LogLinear", "log-SNR falls on a straight line")
    registry.add("latent", "mixture", "gentool_example.mixture:Mixture", "z from one of several equal Gaussians")
    registry.add("observer", "sparkline", "gentool_example.sparkline:Sparkline", "losses as lines of text")
    registry.recipes("gentool_example.recipes")
