"""The meters of a line of the log: what they say, and that they outlive a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from gentoolkit.engine.log import meters, peaks
from gentoolkit.engine.log.console import Console
from gentoolkit.engine.log.meters import Meters
from gentoolkit.engine.storage import folder, journal
from gentoolkit.engine.train import train

from . import tiny

CPU = torch.device("cpu")


class Clock:
    """A clock that is turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(meters.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(meters.time, "time", lambda: self.now)


def test_where_the_time_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    made = Meters(batch=8, start=20, device=CPU, flops=1e9, peak=4e9, counted=30.0, began=960.0)
    for _ in range(4):
        with made.spending("data"):
            clock.now += 0.5
        clock.now += 1
    with made.spending("saving"):
        clock.now += 2
    line = made.read(24)
    assert line.pop("peak_memory_mib") > 10
    assert line == {
        "rate": 4 * 8 / 8,
        "mfu": 4 * 1e9 / (8 * 4e9),
        "goodput": (30 + 4) / (40 + 8),
        "seconds_training": 4,
        "seconds_data": 2,
        "seconds_compiling": 0,
        "seconds_saving": 2,
        "seconds_sampling": 0,
        "seconds_evaluating": 0,
    }
    clock.now += 1
    assert made.read(25)["seconds_saving"] == 0
    assert made.counted == 35


def test_without_a_known_peak_or_counted_operations_there_is_no_mfu() -> None:
    for known in ({"flops": 1e9}, {"peak": 1e12}, {}):
        assert "mfu" not in Meters(8, 0, CPU, **known).read(1)


@pytest.mark.parametrize(
    ("name", "kind", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156.0),
        ("A100-PCIE-40GB", "fp32", 19.5),
        ("NVIDIA A10", "bf16", 125.0),
        ("Tesla V100-SXM2-32GB", "tf32", 15.7),  # which it does not have: it computes in fp32
        ("Tesla V100-SXM2-32GB", "bf16", None),
        ("NVIDIA A10G", "bf16", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bf16", None),
        ("NVIDIA H100 80GB HBM3", "fp64", None),
        ("Some GPU", "bf16", None),
    ],
)
def test_peaks_are_those_of_the_data_sheets_or_none(name: str, kind: str, tera: float | None) -> None:
    assert peaks.peak_of(name, kind) == (None if tera is None else tera * 1e12)


def test_the_peak_of_all_devices_in_the_arithmetic_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA A100-SXM4-80GB")
    gpu = torch.device("cuda", 0)
    assert peaks.peak(gpu, "bf16", 8) == 8 * 312e12
    assert peaks.peak(gpu, "fp32") == 156e12  # torch's default: convolutions may use tf32
    before = torch.backends.cudnn.conv.fp32_precision
    try:
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        assert peaks.peak(gpu, "fp32") == 19.5e12
    finally:
        torch.backends.cudnn.conv.fp32_precision = before
    assert peaks.peak(CPU, "bf16") is None


def test_goodput_outlives_a_restart_and_lost_steps_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    train(tiny.recipe("ddpm", run, steps=4), quiet=True)
    lines = journal.read(run / "metrics.jsonl")
    assert [set(line) >= {"rate", "goodput", "peak_memory_mib", "seconds_training"} for line in lines] == [True] * 4
    spent = meters.counted_seconds(lines)
    first = folder.first_start(run)
    assert first == pytest.approx(time.time(), abs=60)
    lost = {"step": 5, "seconds_training": 1e6}
    with (run / "metrics.jsonl").open("a") as log:
        log.write(json.dumps(lost) + "\n")
    seen = {}

    class Spy(Meters):
        def __init__(self, *arguments: object) -> None:
            seen["counted"], seen["began"] = arguments[5:]
            super().__init__(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("gentoolkit.engine.train.Meters", Spy)
    train(tiny.recipe("ddpm", run, steps=6), quiet=True)
    assert seen == {"counted": pytest.approx(spent), "began": first}
    assert 0 < journal.read(run / "metrics.jsonl")[-1]["goodput"] <= 1


def test_the_console_shows_shares_and_losses_and_no_clocks(capsys: pytest.CaptureFixture[str]) -> None:
    line = {
        "rate": 50.4,
        "mfu": 0.412,
        "goodput": 0.93,
        "seconds_training": 3.0,
        "denoiser/simple": 0.125,
        "peak_memory_mib": 9.0,
    }
    Console("run", 10, 8, 0, "img", False).logged(10, line)
    assert capsys.readouterr().out == "run  10/10  0m00s left  50 img/s  mfu 41%  goodput 93%  denoiser/simple 0.125\n"
