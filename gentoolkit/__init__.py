"""gentoolkit: generative models from interchangeable parts. Names are imported when they are used.

import gentoolkit
gentoolkit.train("quickstart")
x = gentoolkit.load("runs/quickstart").sample(64, seed=0)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .components.data.looking import survey as check_data
    from .components.data.packing import pack as pack_data
    from .engine.checking.check import check
    from .engine.models.posthoc import synthesize
    from .engine.models.trained import TrainedRun, load
    from .engine.replay import replay
    from .engine.samples.editing import from_strokes, inpaint, interpolate
    from .engine.storage.upkeep import checkpoints
    from .engine.storage.upkeep import prune as prune_checkpoints
    from .engine.train import Outcome, train
    from .evaluation.classifier import train_classifier
    from .evaluation.comparison import compare_runs
    from .evaluation.evaluate import evaluate
    from .evaluation.figures.denoising import denoising
    from .evaluation.figures.draws import draws
    from .evaluation.figures.grid import grid
    from .evaluation.figures.neighbours import neighbours
    from .evaluation.figures.points import beside_data
    from .evaluation.figures.strip import strip
    from .evaluation.figures.tradeoff import tradeoff
    from .evaluation.runs import runs
    from .evaluation.sweep import sweep
    from .interop.export import export
    from .recipe import Loaded
    from .registry import Component, Facts, GentoolError, RunRef, component, hookimpl, opt

_WHERE = {
    "Component": "registry",
    "Facts": "registry",
    "GentoolError": "registry",
    "Loaded": "recipe",
    "Outcome": "engine.train",
    "RunRef": "registry",
    "TrainedRun": "engine.models.trained",
    "beside_data": "evaluation.figures.points",
    "check": "engine.checking.check",
    "checkpoints": "engine.storage.upkeep",
    "check_data": "components.data.looking:survey",
    "compare_runs": "evaluation.comparison",
    "component": "registry",
    "denoising": "evaluation.figures.denoising",
    "draws": "evaluation.figures.draws",
    "evaluate": "evaluation.evaluate",
    "export": "interop.export",
    "from_strokes": "engine.samples.editing",
    "grid": "evaluation.figures.grid",
    "hookimpl": "registry",
    "inpaint": "engine.samples.editing",
    "interpolate": "engine.samples.editing",
    "load": "engine.models.trained",
    "neighbours": "evaluation.figures.neighbours",
    "opt": "registry",
    "pack_data": "components.data.packing:pack",
    "prune_checkpoints": "engine.storage.upkeep:prune",
    "runs": "evaluation.runs",
    "strip": "evaluation.figures.strip",
    "sweep": "evaluation.sweep",
    "synthesize": "engine.models.posthoc",
    "replay": "engine.replay",
    "tradeoff": "evaluation.figures.tradeoff",
    "train": "engine.train",
    "train_classifier": "evaluation.classifier",
}

__all__ = [
    "Component",
    "Facts",
    "GentoolError",
    "Loaded",
    "Outcome",
    "RunRef",
    "TrainedRun",
    "beside_data",
    "check",
    "check_data",
    "checkpoints",
    "compare_runs",
    "component",
    "denoising",
    "draws",
    "evaluate",
    "export",
    "from_strokes",
    "grid",
    "hookimpl",
    "inpaint",
    "interpolate",
    "load",
    "neighbours",
    "opt",
    "pack_data",
    "prune_checkpoints",
    "replay",
    "runs",
    "strip",
    "sweep",
    "synthesize",
    "tradeoff",
    "train",
    "train_classifier",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("gentoolkit")
    if name not in _WHERE:
        raise AttributeError(f"module 'gentoolkit' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    value = getattr(import_module(f".{module}", __name__), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
