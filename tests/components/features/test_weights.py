"""Files of weights: found where they may lie, known by their sha256, read as data alone; code is refused."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gentoolkit.components.features import inception
from gentoolkit.components.features.inception import Inception
from gentoolkit.components.features.read_weights import fill, read_weights
from gentoolkit.components.features.timm import Timm
from gentoolkit.components.features.weight_files import OwnFile, WeightFile, missing_weights
from gentoolkit.registry import GentoolError
from gentoolkit.testing import tiny_facts

CONTENT = b"some weights"
SHA = sha256(CONTENT).hexdigest()
FILE = WeightFile(("net.pth",), "https://example.org/net.pth", sha256=SHA[:8], hub="some/net")


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    for name in ("GENTOOL_WEIGHTS", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_is_missing_is_said_with_its_sha256_its_source_and_its_place(tmp_path, monkeypatch):
    said = FILE.trouble()
    for word in ("net.pth", SHA[:8], "https://example.org/net.pth", "GENTOOL_WEIGHTS"):
        assert word in said
    monkeypatch.setenv("GENTOOL_WEIGHTS", str(tmp_path / "mine"))
    assert str(tmp_path / "mine") in FILE.trouble()
    again = [Inception(), Inception(), Timm(), Timm(weights="nothing.pth")]
    found = missing_weights(again)
    assert len(found) == 3
    assert "weights-inception-2015-12-05-6726825d.pth" in found[0] and "6726825d" in found[0]
    assert "vgg16.tv_in1k.safetensors" in found[1]
    assert "nothing.pth" in found[2]


def test_files_are_found_in_the_order_of_places(tmp_path, monkeypatch):
    hub = put(tmp_path / "cache/huggingface/hub/models--some--net/blobs" / SHA)
    link = tmp_path / "cache/huggingface/hub/models--some--net/snapshots/main/model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(hub)
    assert FILE.find() == link
    torch_cache = put(tmp_path / "cache/torch/hub/checkpoints/net.pth")
    assert FILE.find() == torch_cache
    monkeypatch.setenv("GENTOOL_WEIGHTS", os.pathsep.join([str(tmp_path / "empty"), str(tmp_path / "mine")]))
    own = put(tmp_path / "mine/net.pth")
    assert FILE.find() == own and FILE.trouble() is None
    assert OwnFile(str(own)).find() == own


def test_another_file_of_that_name_is_refused_or_passed_over(tmp_path, monkeypatch):
    put(tmp_path / "cache/torch/hub/checkpoints/net.pth", b"others")
    put(tmp_path / "cache/huggingface/hub/models--some--net/snapshots/main/model.safetensors", b"others")
    assert "not on this machine" in FILE.trouble()
    monkeypatch.setenv("GENTOOL_WEIGHTS", str(tmp_path / "mine"))
    put(tmp_path / "mine/net.pth", b"others")
    with pytest.raises(GentoolError, match="is not the file of that name"):
        FILE.find()


class Evil:
    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_runs_nothing(tmp_path, legacy):
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"fc.weight": torch.ones(2), "x": Evil(mark)}, path, _use_new_zipfile_serialization=not legacy)
    facts = tiny_facts("image", (3, 8, 8))
    for config in (Inception(weights=str(path)), Timm(model="test_resnet.r160_in1k", weights=str(path))):
        with pytest.raises(GentoolError, match="holds more than tensors") as caught:
            config.build(facts, {})
        assert "weights_only" not in str(caught.value)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file does run it where it is let"


def test_the_official_name_with_other_bytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GENTOOL_WEIGHTS", str(tmp_path))
    torch.save({"x": Evil(tmp_path / "ran")}, tmp_path / inception.OFFICIAL.names[0])
    with pytest.raises(GentoolError, match="does not begin with 6726825d"):
        Inception().build(tiny_facts("image", (3, 8, 8)), {})
    assert not (tmp_path / "ran").exists()


def test_tensors_are_read_with_the_sha256_of_their_bytes(tmp_path):
    tensors = {"weight": torch.randn(3, 2), "bias": torch.randn(3)}
    torch.save(tensors, tmp_path / "a.pth")
    save_file(tensors, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        found, sha = read_weights(tmp_path / name)
        assert sha == sha256((tmp_path / name).read_bytes()).hexdigest()
        net = nn.Linear(2, 3)
        fill(net, found, name)
        assert torch.equal(net.weight, tensors["weight"]) and torch.equal(net.bias, tensors["bias"])


REFUSED = {
    "a list": ([torch.ones(1)], "no tensors by name"),
    "nothing": ({}, "no tensors by name"),
    "a number": ({"weight": 3}, "no plain tensor"),
    "not a number": ({"weight": torch.tensor([1.0, float("nan")])}, "not finite"),
    "sparse": ({"weight": torch.eye(3).to_sparse()}, "no plain tensor"),
    "one number repeated": ({"weight": torch.ones(1).expand(10**9)}, "are not all in the file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_state_dict_is_refused(tmp_path, case):
    content, said = REFUSED[case]
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(GentoolError, match=said):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_damaged_files_and_folders_are_refused(tmp_path, name):
    put(tmp_path / name, b"\x08\0\0\0\0\0\0\0{broken")
    with pytest.raises(GentoolError, match="cannot be read"):
        read_weights(tmp_path / name)
    with pytest.raises(GentoolError, match="cannot be read"):
        read_weights(Path(tmp_path))


def test_weights_of_another_network_are_refused_by_name():
    net = nn.Linear(2, 3)
    whole = {k: v.clone() for k, v in net.state_dict().items()}
    for tensors, said in (
        ({"weight": whole["weight"]}, "lacks bias"),
        ({**whole, "fc.weight": torch.ones(1)}, "no place for fc.weight"),
        ({**whole, "bias": torch.ones(4)}, "other shapes of bias"),
    ):
        with pytest.raises(GentoolError, match=said):
            fill(net, tensors, "a.pth")
    fill(net, {**whole, "fc.weight": torch.ones(1)}, "a.pth", ("fc.",))
    assert np.isfinite(net.weight.detach().numpy()).all()
