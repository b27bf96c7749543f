"""The commands, as a user types them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gentoolkit
from gentoolkit.cli import main
from gentoolkit.engine.train import train

TINY = """
[data]
use = "digits"
[model]
denoiser = { use = "mlp", width = 8, depth = 1 }
latent = { use = "gaussian", dim = 2, width = 4, layers = 1 }
condition = "class"
[method]
use = "ddgan"
discriminator = { use = "mlp", width = 8, depth = 1 }
[sampler]
use = "ancestral"
batch = 8
[training]
steps = 4
batch_size = 8
checkpoint_every = 2
log_every = 1
[metrics]
modes = { use = "modes", samples = 40 }
speed = { use = "speed", repeats = 2 }
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with the recipe `tiny.toml`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


def gentool(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    capsys.readouterr()
    argv = sys.argv
    sys.argv = ["gentool", *arguments]
    try:
        with pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.argv = argv
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def test_train_sample_evaluate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gentool(capsys, "train", "tiny.toml")
    assert (code, err) == (0, "")
    assert "update  discriminator: adversarial -> discriminator (adam, lr 0.0001 constant)" in out
    assert "next: gentool sample runs/tiny -n 100 -o samples.png" in out
    for name in ("recipe.toml", "metrics.jsonl", "environment.json", "data.json", "samples/step-00000004.png"):
        assert (here / "runs/tiny" / name).is_file(), name
    assert json.loads((here / "runs/tiny/data.json").read_text())["label_counts"][0] == 178

    code, out, _ = gentool(capsys, "sample", "runs/tiny", "-n", "20", "-o", "a.npz", "--seed", "5")
    assert code == 0
    samples = np.load("a.npz")["samples"]
    assert samples.shape == (20, 1, 8, 8)
    assert np.array_equal(samples, gentoolkit.load("runs/tiny").sample(20, seed=5).numpy())

    code, out, _ = gentool(capsys, "sample", "runs/tiny", "-n", "11", "-o", "b.zip", "--seed", "5")
    with zipfile.ZipFile("b.zip") as archive:
        assert archive.namelist() == [f"{i:08d}.png" for i in range(11)]
        pixels = np.asarray(Image.open(BytesIO(archive.read("00000003.png"))))
    assert np.abs(pixels - (samples[3, 0] + 1) * 127.5).max() <= 0.5

    code, out, _ = gentool(capsys, "sample", "runs/tiny", "-n", "9", "-o", "c.png", "--y", "7")
    assert code == 0
    assert Image.open("c.png").size[0] > 24

    code, out, _ = gentool(capsys, "evaluate", "runs/tiny")
    assert code == 0
    lines = [json.loads(line) for line in (here / "runs/tiny/results.jsonl").read_text().splitlines()]
    assert [line["metric"] for line in lines] == ["modes", "speed"]
    assert lines[1]["values"]["evaluations"] == 4
    for line in lines:
        assert line["protocol"].endswith("/ema/ancestral-4")
        assert f"protocol: {line['protocol']}" in out


def test_sampling_goes_on_where_it_was_killed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("tiny.toml", quiet=True)
    whole = gentoolkit.load("runs/tiny").sample(40, seed=1).numpy()
    slow = (
        "import time, gentoolkit.engine.samples.sample_files as f\n"
        "from gentoolkit.engine.models.trained import load\n"
        "quick = f.draw_chunks\n"
        "def chunks(*a):\n"
        "    for c in quick(*a):\n"
        "        yield c\n"
        "        time.sleep(0.2)\n"
        "f.draw_chunks = chunks\n"
        "f.write_samples(load('runs/tiny'), 40, 'x.npz', 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", slow])
    until = time.monotonic() + 60
    while not (here / "x.npz.part/1.npy").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {p.name: p.stat().st_mtime_ns for p in here.glob("x.npz.part/*.npy")}
    assert 2 <= len(kept) < 5
    made: list[int] = []
    import gentoolkit.engine.samples.sample_files as files

    honest = files.draw_chunks

    def counted(*arguments: Any) -> Any:
        for number, samples in honest(*arguments):
            made.append(number)
            yield number, samples

    files.draw_chunks = counted
    try:
        assert gentool(capsys, "sample", "runs/tiny", "-n", "40", "-o", "x.npz", "--seed", "1")[0] == 0
    finally:
        files.draw_chunks = honest
    assert made == list(range(len(kept), 5)), "chunks that were there are not made again"
    assert np.array_equal(np.load("x.npz")["samples"], whole)
    assert not (here / "x.npz.part").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "nowhere.toml"), "nowhere.toml"),
        (("train", "quickstrat"), "quickstart"),
        (("train", "tiny.toml", "model.denoiser.widht=4"), "did you mean 'width'"),
        (("train", "tiny.toml", "training.device=cuda"), "torch sees no CUDA device"),
        (("train", "tiny.toml", "run.folder=/proc/nothing"), "cannot be written"),
        (("check", "tiny.toml", "training.batch_size=9", "--nproc", "2"), "batch"),
        (("sample", "nowhere"), "no run folder"),
        (("sample", "runs/empty"), "has no checkpoint"),
        (("explain", "denoiser", "unett"), "unet"),
        (("explain", "unett"), "did you mean 'unet'"),
        (("components", "--slot", "denoisers"), "no slot is called 'denoisers'"),
        (("evaluate", "runs/empty"), "has no checkpoint"),
        (("trian", "tiny.toml"), "did you mean 'train'"),
        (("oracle", "--steps", "four"), "whole numbers"),
        (("sample", "runs/empty", "-n", "0"), "-n"),
    ],
)
def test_mistakes_end_as_one_message_and_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    loaded = gentoolkit.check("tiny.toml")
    loaded.write(here / "runs/empty")
    code, out, err = gentool(capsys, *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in out + err
    assert sorted(p.name for p in here.iterdir()) == ["runs", "tiny.toml"], "nothing was left behind"


def test_sampling_mistakes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("tiny.toml", quiet=True)
    (here / "runs.png").mkdir()
    for arguments, said in (
        (("-o", "x.jpg"), ".png, .zip, .npz"),
        (("-o", "nowhere/x.png"), "the folder nowhere does not exist"),
        (("-o", "runs.png"), "runs.png is a folder"),
        (("--y", "ten"), "whole numbers"),
        (("--y", "10"), "class from 0 to 9"),
        (("--y", "99999999999999999999"), "class from 0 to 9"),
    ):
        code, _, err = gentool(capsys, "sample", "runs/tiny", *arguments)
        assert (code, said in err, "Traceback" in err) == (2, True, False), err


def test_a_run_folder_is_trained_where_it_lies(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("tiny.toml", quiet=True)
    shutil.copytree(here / "runs/tiny", here / "elsewhere")
    code, out, _ = gentool(capsys, "train", "elsewhere", "training.steps=6")
    assert code == 0
    assert "6 steps in" in out
    assert (gentoolkit.load("elsewhere").step, gentoolkit.load("runs/tiny").step) == (6, 4)
    code, out, _ = gentool(capsys, "train", "elsewhere", "run.name=another")
    assert gentoolkit.load("runs/another").step == 6


def test_class_frequencies_are_not_guessed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("tiny.toml", quiet=True)
    for damage in ("garbage", "[]", '{"label_counts": [1, 2]}'):
        (here / "runs/tiny/data.json").write_text(damage)
        code, _, err = gentool(capsys, "sample", "runs/tiny", "-o", "x.png")
        assert (code, "data.json cannot be read" in err) == (2, True), err
    assert gentool(capsys, "sample", "runs/tiny", "-n", "4", "--y", "3", "-o", "x.png")[0] == 0


def test_chunks_that_a_crash_cut_short_are_made_again(here: Path) -> None:
    from gentoolkit.engine.samples.sample_files import identity, write_samples

    train("tiny.toml", quiet=True)
    run = gentoolkit.load("runs/tiny")
    parts = here / "x.npz.part"
    parts.mkdir()
    with pytest.raises(gentoolkit.GentoolError, match="no folder of unfinished samples"):
        write_samples(run, 9, "x.npz")
    (parts / "samples.json").write_text(json.dumps(identity(run, 9, 0, None)))
    (parts / "0.npy").write_bytes(b"half")
    (parts / "stray.npy").write_bytes(b"")
    assert write_samples(run, 9, "x.npz")
    assert np.array_equal(np.load("x.npz")["samples"], run.sample(9).numpy())


def test_an_error_of_ours_is_code_1_and_no_traceback(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("gentoolkit.engine.train.train", broken)
    code, _, err = gentool(capsys, "train", "tiny.toml")
    assert code == 1
    assert "internal error: ZeroDivisionError: a fault" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["runs/tiny/metrics.jsonl", None])
def test_a_full_disk_is_no_fault_of_ours(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", name)

    monkeypatch.setattr("gentoolkit.engine.train.train", full)
    code, _, err = gentool(capsys, "train", "tiny.toml")
    assert (code, err) == (2, f"error: {name or 'a file'} cannot be written: No space left on device\n")


def test_explain_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    from gentoolkit.registry import get_registry, options

    for entry in get_registry().entries():
        code, out, _ = gentool(capsys, "explain", entry.slot, entry.name)
        assert code == 0
        for option in options(entry.load()).values():
            assert f"  {option.name}  (" in out
            assert option.help in out


@pytest.mark.parametrize("table", ["process", "model", "training", "ema", "start", "run", "local"])
def test_explain_names_every_option_of_the_tables_of_a_recipe(capsys: pytest.CaptureFixture[str], table: str) -> None:
    from gentoolkit.recipe import tree
    from gentoolkit.registry import options

    code, out, _ = gentool(capsys, "explain", table)
    assert code == 0
    assert out.startswith(f"[{table}]\n")
    for name, option in options(getattr(tree, table.capitalize())).items():
        assert f"\n  {name}  (" in out
        assert option.help in out


def test_dry_run_keeps_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gentool(capsys, "train", "tiny.toml", "--dry-run")
    assert code == 0
    assert "two steps went well" in out
    assert sorted(p.name for p in here.iterdir()) == ["tiny.toml"]


def test_nproc_trains_on_two_processes_and_a_signal_leaves_a_commit(here: Path) -> None:
    command = [sys.executable, "-m", "gentoolkit", "train", "tiny.toml", "--nproc", "2", "training.batch_size=8"]
    process = subprocess.Popen(
        [
            *command,
            "training.steps=100000",
            "training.checkpoint_every=100000",
            "training.log_every=10",
            "observers.grid.every=99999",
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = here / "runs/tiny/metrics.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and log.read_text()) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 75, out
    assert gentoolkit.load("runs/tiny").step > 0
    assert "2 processes" in out
    assert "Traceback" not in out, out


def test_doctor_and_oracle(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gentool(capsys, "doctor")
    assert code == 0
    assert "gentoolkit" in out
    assert "gloo" in out
    code, out, _ = gentool(capsys, "oracle", "--steps", "4", "--samples", "5000")
    assert code == 0
    row = next(line for line in out.splitlines() if line.split()[0] == "4").replace("/", " ").split()
    assert float(row[1]) > 0.99
    assert int(row[2]) == 25
    assert float(row[3]) < 0.05


def test_export_and_sample_what_was_exported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("tiny.toml", quiet=True)
    code, out, err = gentool(capsys, "export", "runs/tiny", "model")
    assert (code, err) == (0, "")
    assert "next: gentool sample model -n 64 -o samples.png" in out
    for run, file in (("runs/tiny", "a.npz"), ("model", "b.npz")):
        assert gentool(capsys, "sample", run, "-n", "9", "-o", file, "--seed", "2")[0] == 0
    assert np.array_equal(np.load("a.npz")["samples"], np.load("b.npz")["samples"])
    code, _, err = gentool(capsys, "export", "runs/tiny", "model")
    assert (code, "is there already" in err) == (2, True)
    (here / "model/model.safetensors").write_bytes(b"")
    code, _, err = gentool(capsys, "sample", "model")
    assert (code, "model.safetensors was changed after it was exported" in err, "Traceback" in err) == (2, True, False)


def test_trust_local_is_asked_for_at_every_door(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_text(
        "from gentoolkit import component\n"
        "from gentoolkit.components.denoisers.mlp import MLP\n\n\n"
        '@component\nclass Mine(MLP):\n    """Mine."""\n'
    )
    (here / "mine.toml").write_text(TINY.replace('use = "mlp"', 'use = "local/Mine"', 1) + '[local]\nmodules = ["mine.py"]\n')
    train("mine.toml", quiet=True)
    code, out, _ = gentool(capsys, "export", "runs/mine", "model")
    assert (code, "only with --trust-local" in out) == (0, True)
    for command in (
        ("sample", "model", "-n", "4", "-o", "x.npz"),
        ("evaluate", "model", "--metric", "speed"),
        ("check", "model"),
        ("train", "model", "run.name=again"),
    ):
        code, _, err = gentool(capsys, *command)
        assert (code, "it would run model/local/mine.py" in err) == (2, True), command
        code, _, err = gentool(capsys, *command, "--trust-local")
        assert code == 0, err


def test_check_deep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = gentool(capsys, "check", "tiny.toml", "--deep")
    assert code == 0
    assert "tiny: the parts fit, built at their real size" in out
    assert "net     denoiser: " in out
    assert "memory per device, estimated for 8 samples at once in fp32" in out
    assert sorted(p.name for p in here.iterdir()) == ["tiny.toml"]


def test_train_without_the_deep_check(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise gentoolkit.GentoolError("it does not fit")

    monkeypatch.setattr("gentoolkit.engine.train.deep_check", broken)
    assert gentool(capsys, "train", "tiny.toml")[0] == 2
    assert gentool(capsys, "train", "tiny.toml", "--no-deep")[0] == 0


def test_the_launcher_checks_in_depth_once_and_its_workers_do_not(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gentoolkit.engine import train
    from gentoolkit.engine.processes import launch

    checked: list[Any] = []
    started: list[list[str]] = []
    monkeypatch.setenv(train.FLOPS, "")
    monkeypatch.setattr(train, "deep_check", lambda loaded: checked.append(loaded) or SimpleNamespace(flops=5e9))
    monkeypatch.setattr(launch, "launch", lambda processes, arguments, *more: started.append([str(processes), *arguments]) or 0)
    assert gentool(capsys, "train", "tiny.toml", "--nproc", "2")[0] == 0
    assert gentool(capsys, "train", "tiny.toml", "--nproc", "2", "--no-deep")[0] == 0
    assert [c.name for c in checked] == ["tiny"]
    assert train.told_flops() == 5e9, "its workers need not count again"
    assert started == [
        ["2", "train", "--no-deep", "tiny.toml", "--nproc", "2"],
        ["2", "train", "tiny.toml", "--nproc", "2", "--no-deep"],
    ]


def test_several_processes_sample_and_measure_with_the_same_command(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gentoolkit.engine.processes import launch

    train("tiny.toml", quiet=True)
    started: list[list[str]] = []
    monkeypatch.setattr(launch, "launch", lambda processes, arguments, *more: started.append([str(processes), *arguments]) or 0)
    assert gentool(capsys, "sample", "runs/tiny", "--nproc", "2", "-n", "9")[0] == 0
    assert gentool(capsys, "evaluate", "runs/tiny", "--nproc", "2")[0] == 0
    assert started == [["2", "sample", "runs/tiny", "--nproc", "2", "-n", "9"], ["2", "evaluate", "runs/tiny", "--nproc", "2"]]
    for mistake in (("sample", "nowhere"), ("sample", "runs/tiny", "-o", "x.jpg"), ("evaluate", "nowhere")):
        assert gentool(capsys, *mistake, "--nproc", "2")[0] == 2
    assert len(started) == 2, "a mistake is said before any process is started"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")  # which leaves it to the first process to say something
    assert gentool(capsys, "sample", "runs/tiny", "--nproc", "2", "-n", "9", "-o", "x.npz")[:2] == (0, "")
    assert gentool(capsys, "evaluate", "runs/tiny", "--nproc", "2", "--metric", "modes")[:2] == (0, "")
