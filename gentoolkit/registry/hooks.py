"""The whole surface between gentoolkit and plugins: one hook to register, a few to watch a run.

A plugin package names its module under the entry-point group `gentoolkit`; the entry point's name is its namespace:

    [project.entry-points.gentoolkit]
    acme = "gentool_acme"

    @gentoolkit.hookimpl
    def gentoolkit_register(registry):
        registry.add("denoiser", "unet", "gentool_acme.unet:UNet", "plain U-Net with FiLM")     # "acme/unet"
        registry.recipes("gentool_acme.recipes")                                              # extends = "acme/..."
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .registrar import Registrar

hookspec = pluggy.HookspecMarker("gentoolkit")
hookimpl = pluggy.HookimplMarker("gentoolkit")


class Registration:
    """Called once per plugin, when something of its namespace is asked for."""

    @hookspec
    def gentoolkit_register(self, registry: Registrar) -> None:
        """Name the plugin's components and recipes. Import nothing heavy: targets are given as import strings."""


class Watching:
    """Called on rank 0 while a run goes on. What an observer's `build` returns implements any of these.

    Observers look and never change: tensors they get are detached copies on the CPU, and a failing observer is named,
    disabled, and the run goes on. `run` is the engine's `RunView`: `folder`, `name`, `recipe`, `facts`, `id`.
    """

    @hookspec
    def run_started(self, run: Any, step: int) -> None:
        """Before the first step of this process; `step` is where it starts, 0 or a checkpoint's."""

    @hookspec
    def step_ended(self, run: Any, step: int, logs: dict[str, Any]) -> None:
        """After every optimisation step whose numbers are logged; `logs` is the line of `metrics.jsonl`."""

    @hookspec
    def wants(self, step: int) -> int:  # type: ignore[empty-body]
        """How many samples this observer wants to see after `step`; a function of `step` alone."""

    @hookspec
    def sampled(self, run: Any, step: int, samples: Any) -> None:
        """After a step at which samples were wanted: `samples` `[n, *shape]` from the EMA weights, seed 0, so that the
        same sample is followed over the run."""

    @hookspec
    def evaluated(self, run: Any, step: int, results: Any) -> None:
        """After the recipe's metrics were measured on the EMA weights (`training.evaluate_every`): `results` has one for each
        metric, with `metric` (its name in the recipe), `values` by name, and the `protocol` under which they hold."""

    @hookspec
    def checkpoint_saved(self, run: Any, step: int, folder: str) -> None:
        """After a checkpoint has been committed."""

    @hookspec
    def run_failed(self, run: Any, step: int, error: BaseException) -> None:
        """When the run leaves by an error."""

    @hookspec
    def run_ended(self, run: Any, step: int) -> None:
        """When the run is done, or was asked to stop."""
