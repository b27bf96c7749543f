"""The classifier that is trained once: accuracy, file, and what metric `modes` makes of it."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import gentoolkit
from gentoolkit.cli import gentool
from gentoolkit.components.data.digits import Digits, StackedDigits
from gentoolkit.components.data.drawn import digit_arrays
from gentoolkit.components.metrics.modes import Modes
from gentoolkit.components.metrics.trained_classifier import ABOUT, about
from gentoolkit.registry import Facts, GentoolError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "digits.safetensors"
    return path, gentoolkit.train_classifier({"use": "digits"}, path, epochs=6)


def metric_of(data, **options):
    facts = Facts().with_({**data.offer(Facts()), "data": data.name or "digits"})
    return Modes(**options).build(facts, {}), data.build(facts, {})


def test_it_is_right_on_images_that_it_has_not_seen_and_the_file_says_so(trained, tmp_path):
    path, known = trained
    assert known.accuracy > 0.95
    assert (known.shape, known.classes, known.held_out) == ((1, 8, 8), 10, 360)
    assert about(path) == known
    again = tmp_path / "again.safetensors"
    gentoolkit.train_classifier(Digits(), again, epochs=6)
    assert again.read_bytes() == path.read_bytes(), "a function of data, epochs and seed"
    gentoolkit.train_classifier(Digits(), again, epochs=1, seed=1)
    assert again.read_bytes() != path.read_bytes()


def test_modes_are_counted_by_it_channel_by_channel_where_digits_are_stacked(trained):
    path, known = trained
    for data, modes in ((Digits(), 10), (StackedDigits(size=8000), 990)):
        metric, real = metric_of(data, classifier=str(path))
        metric.prepare(real)
        x = torch.stack([real[i]["x_0"] for i in range(min(len(real), 8000))]).float() / 127.5 - 1
        metric.add(metric.see(x))
        values = metric.compute()
        assert values["modes"] >= modes and values["classified"] > 0.7
        assert metric.protocol.startswith("modes/cnn-1-") and f"/held-out-{known.accuracy:.3f}/" in metric.protocol


def test_the_command_takes_the_test_split_of_idx_files(tmp_path):
    images, labels = digit_arrays()
    images = images[:, 0].repeat(4, 1).repeat(4, 2)[:, 2:30, 2:30]
    for name, part in (("train", slice(0, 600)), ("t10k", slice(600, 900))):
        for what, array in (("images-idx3", images[part]), ("labels-idx1", labels[part].astype(np.uint8))):
            header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{name}-{what}-ubyte").write_bytes(header + array.tobytes())
    out = tmp_path / "mnist.safetensors"
    arguments = ["classifier", "mnist", f"source={tmp_path}", "size=32", "-o", str(out), "--epochs", "12"]
    result = CliRunner().invoke(gentool, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "right on 300 held-out images" in result.output and 'classifier = "' in result.output
    assert about(out).shape == (1, 32, 32) and about(out).accuracy > 0.8
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert gentoolkit.train_classifier({"use": "mnist", "source": str(tmp_path)}, out, epochs=1).held_out == 120


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"use": "gaussians25"}, "no images with labels"),
        ({"use": "stacked-digits"}, "take the single digits"),
        ({"use": "digit"}, "digits"),
    ],
)
def test_data_that_it_cannot_learn_from_are_refused(table, message, tmp_path):
    with pytest.raises(GentoolError, match=message):
        gentoolkit.train_classifier(table, tmp_path / "a.safetensors")
    with pytest.raises(GentoolError, match="must end in"):
        gentoolkit.train_classifier(Digits(), tmp_path / "a.pt")
    with pytest.raises(GentoolError, match="epochs is 1"):
        gentoolkit.train_classifier(Digits(), tmp_path / "a.safetensors", epochs=0)


def test_other_files_are_refused(trained, tmp_path):
    path, _ = trained
    tensors = load_file(path)
    told = {"version": 1, "shape": [1, 8, 8], "classes": 10, "data": "d", "accuracy": 0.9, "held_out": 5}

    def refused(message, content=None, name="a.safetensors", metadata=None):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        elif metadata is not None:
            save_file(tensors, file, metadata={ABOUT: json.dumps(metadata)})
        with pytest.raises(GentoolError, match=message):
            metric_of(Digits(), classifier=str(file))

    refused("there is no file", name="nowhere.safetensors")
    refused("cannot be read as plain weights", content=path.read_bytes()[:-9])
    refused("end in .safetensors", content=b"\x80\x04", name="a.pt")
    refused("do not describe one", metadata=[])
    refused("of version 9", metadata={**told, "version": 9})
    refused("make no sense", metadata={**told, "accuracy": float("nan")})
    refused("judges images of shape 1x28x28", metadata={**told, "shape": [1, 28, 28]})
    refused("knows 7 classes", metadata={**told, "classes": 7})
    save_file(tensors, tmp_path / "plain.safetensors")
    with pytest.raises(GentoolError, match="do not describe one"):
        metric_of(Digits(), classifier=str(tmp_path / "plain.safetensors"))
