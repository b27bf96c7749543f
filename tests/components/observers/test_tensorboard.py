"""The TensorBoard mirror holds what the log holds."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest

from gentoolkit.components.observers.tensorboard import TensorBoard
from gentoolkit.engine.samples.results import Result
from gentoolkit.registry import Facts, GentoolError


@attrs.frozen
class Run:
    folder: Path


def test_scalars_and_losses_per_t_are_mirrored(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = TensorBoard().build(Facts(), {})
    run = Run(tmp_path)
    events.run_started(run=run, step=0)
    for step in (1, 2):
        logs = {
            "step": step,
            "rate": 10.0 * step,
            "denoiser/simple": 0.5 / step,
            "loss_per_t": {"denoiser/simple": [0.25, None]},
        }
        events.step_ended(run=run, step=step, logs=logs)
    events.evaluated(run=run, step=2, results=[Result("modes", {"kl": 0.5}, "p", 2, "ema", 0)])
    events.run_ended(run=run, step=2)
    seen = EventAccumulator(str(tmp_path / "tensorboard"))
    seen.Reload()
    assert {name: [(e.step, e.value) for e in seen.Scalars(name)] for name in seen.Tags()["scalars"]} == {
        "rate": [(1, 10.0), (2, 20.0)],
        "denoiser/simple": [(1, 0.5), (2, 0.25)],
        "denoiser/simple per t/1": [(1, 0.25), (2, 0.25)],
        "metrics/modes/kl": [(2, 0.5)],
    }


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gentoolkit.components.observers.events", raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(GentoolError, match=r"gentoolkit\[tensorboard\]"):
        TensorBoard().build(Facts(), {})
