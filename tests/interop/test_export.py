"""A model given away and taken back: the same bits, and nothing of it is used if one bit is not."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gentoolkit
from gentoolkit.engine.samples.sample_files import write_samples
from gentoolkit.engine.train import train
from gentoolkit.evaluation.evaluate import evaluate
from gentoolkit.recipe.exported import LARGEST_MANIFEST, MANIFEST, verified
from gentoolkit.registry import GentoolError, get_registry

MLP = {"use": "mlp", "width": 8, "depth": 1}
CODE = '''
from pathlib import Path

from gentoolkit import component
from gentoolkit.components.denoisers.mlp import MLP

Path("it_ran").touch()


@component
class Mine(MLP):
    """A perceptron of mine."""
'''


def recipe(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "data": "digits",
        "model": {"denoiser": MLP, "latent": {"use": "gaussian", "dim": 2}, "condition": "class"},
        "method": {"use": "ddgan", "discriminator": MLP},
        "sampler": {"use": "ancestral", "batch": 8},
        "training": {"steps": 2, "batch_size": 8, "log_every": 1},
        "observers": {},
        "metrics": {"speed": {"use": "speed", "batches": [1], "warmup": 1, "repeats": 1}},
        "run": {"name": "shared", "folder": str(folder)},
        **more,
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and the model that was exported from it."""
    place = tmp_path_factory.mktemp("export")
    train(recipe(place / "run"), quiet=True)
    evaluate(place / "run")
    return place / "run", gentoolkit.export(place / "run", place / "model")


@pytest.fixture
def model(original: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the exported model, to be tampered with."""
    return Path(shutil.copytree(original[1], tmp_path / "model"))


def test_the_round_trip_is_bit_for_bit(original: tuple[Path, Path], tmp_path: Path) -> None:
    run, model = (gentoolkit.load(path) for path in original)
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, model.model.state_dict()[name])
    assert torch.equal(run.sample(20, seed=3), model.sample(20, seed=3))
    assert torch.equal(run.sample(4, y=[1, 2, 3, 4]), model.sample(4, y=[1, 2, 3, 4]))
    assert (model.step, model.weights, model.name) == (2, "ema", "shared")
    assert model.loaded.run_id == run.loaded.run_id
    assert model.recipe.method == run.recipe.method
    assert write_samples(model, 9, tmp_path / "x.npz")


def test_fp64_stays_fp64(tmp_path: Path) -> None:
    table = recipe(tmp_path / "run")
    table["training"]["precision"] = "fp64"
    train(table, quiet=True)
    model = gentoolkit.load(gentoolkit.export(tmp_path / "run", tmp_path / "model"))
    assert torch.equal(model.sample(8), gentoolkit.load(tmp_path / "run").sample(8))
    assert model.sample(1).dtype == torch.float64


def test_what_lies_in_the_folder(original: tuple[Path, Path]) -> None:
    run, model = original
    assert sorted(p.name for p in model.iterdir()) == [
        "MANIFEST.json", "README.md", "data.json", "model.safetensors", "recipe.toml",
    ]  # fmt: skip
    card = (model / "README.md").read_text()
    for said in ("# shared", "`digits`", "| speed parameters |", "speed/", "2 of 2 steps of 8", "gentool sample"):
        assert said in card, said
    everything = "".join(p.read_text() for p in model.iterdir() if p.suffix != ".safetensors")
    assert str(run.parent) not in everything, "where the run lay is told"
    assert not list(model.parent.glob("*.part"))


def test_it_can_be_evaluated_and_checked_but_not_trained(model: Path) -> None:
    (result,) = evaluate(model)
    assert result.weights == "ema"
    assert gentoolkit.load(model).step == 2, "results beside the model change nothing"
    assert gentoolkit.check(model).name == "shared"
    with pytest.raises(GentoolError, match="is an exported model, which cannot be trained"):
        train(model, quiet=True)
    with pytest.raises(GentoolError, match="holds the weights 'ema' alone"):
        gentoolkit.load(model, weights="raw")
    with pytest.raises(GentoolError, match="is an exported model already"):
        gentoolkit.export(model, model.parent / "again")


def test_a_run_inside_an_exported_model_is_a_run(original: tuple[Path, Path], model: Path) -> None:
    shutil.copytree(original[0], model / "mine")
    mine = gentoolkit.load(model / "mine")
    assert mine.exported is None
    assert mine.checkpoint is not None


def test_its_recipe_can_be_trained_elsewhere(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(model, ["run.name=again"], quiet=True).folder == Path("runs/again")


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml", "README.md", "data.json"])
@pytest.mark.parametrize("way", ["flip", "cut", "grow", "remove", "link"])
def test_a_file_that_is_not_as_it_was_is_named(model: Path, name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model / name
    data = bytearray(file.read_bytes())
    if way == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif way == "cut":
        file.write_bytes(data[:-1])
    elif way == "grow":
        file.write_bytes(data + b" ")
    else:
        file.rename(model.parent / "elsewhere")
        if way == "link":
            file.symlink_to(model.parent / "elsewhere")
    monkeypatch.setattr("gentoolkit.recipe.loading.find", lambda *_: pytest.fail("it was used"))
    said = {"remove": "is missing", "link": "is a link"}.get(way, "was changed after it was exported")
    for door in (gentoolkit.load, gentoolkit.check, train):
        with pytest.raises(GentoolError, match=f"{name} {said}; nothing of it was used"):
            door(model)
    if (way, name) not in (("remove", "recipe.toml"), ("link", "recipe.toml")):
        with pytest.raises(GentoolError, match="nothing of it was used"):
            gentoolkit.check(model / "recipe.toml")


def rewritten(model: Path, change: Any) -> None:
    manifest = json.loads((model / MANIFEST).read_text())
    manifest = change(manifest) or manifest
    (model / MANIFEST).write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))


LISTED = {"size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["files"].update({"../outside": LISTED}), r"'\.\./outside', which is no plain name"),
        (lambda m: m["files"].update({"a/../../outside": LISTED}), "no plain name"),
        (lambda m: m["files"].update({"/etc/passwd": LISTED}), "no plain name"),
        (lambda m: m["files"].update({"C:\\x": LISTED}), "no plain name"),
        (lambda m: m["files"].update({"": LISTED}), "no plain name"),
        (lambda m: m["files"].update({"a" * 300: LISTED}), "no plain name"),
        (lambda m: m["files"].update({"weights.bin": LISTED}), "weights.bin is missing"),
        (lambda m: m["files"].update({"recipe.toml": 3}), "no size and sha256 of recipe.toml"),
        (lambda m: m["files"].pop("model.safetensors") and None, "model.safetensors is not listed"),
        (lambda m: m["files"].pop("recipe.toml") and None, "recipe.toml is not listed"),
        (lambda m: m["files"].pop("data.json") and None, "data.json is not listed"),
        (lambda m: m.update(files=[]), "lists no files"),
        (lambda m: m.update(step="2"), "says no step"),
        (lambda m: m.update(format=2), "has format 2, and this version reads 1"),
        (lambda m: "{", "is not JSON"),
        (lambda m: "[" * 200_000, "recursion"),
        (lambda m: " " * (LARGEST_MANIFEST + 1), "is no file of at most"),
        (lambda m: "3", "lists no files"),
    ],
)
def test_a_manifest_that_cannot_be_believed(model: Path, change: Any, said: str) -> None:
    rewritten(model, change)
    with pytest.raises(GentoolError, match=said):
        verified(model)


def test_a_manifest_that_is_gone_leaves_no_model(model: Path) -> None:
    (model / MANIFEST).unlink()
    with pytest.raises(GentoolError, match="has no checkpoint to load"):
        gentoolkit.load(model)


def test_weights_of_another_recipe_are_refused(model: Path) -> None:
    from safetensors.torch import save_file

    from gentoolkit.engine.storage.whole import digest

    def relist(m: Any) -> None:
        file = model / "model.safetensors"
        m["files"]["model.safetensors"] = {"size": file.stat().st_size, "sha256": digest(file)}

    save_file({"denoiser.net.first.weight": torch.zeros(1)}, model / "model.safetensors")
    rewritten(model, relist)
    with pytest.raises(GentoolError, match="does not fit the recipe"):
        gentoolkit.load(model)
    (model / "model.safetensors").write_bytes(b"\xff" * 64)
    rewritten(model, relist)
    with pytest.raises(GentoolError, match=r"model.safetensors cannot be read"):
        gentoolkit.load(model)


def test_a_recipe_that_asks_for_more_memory_than_there_is_gets_none(model: Path) -> None:
    from gentoolkit.engine.storage.whole import digest

    file = model / "recipe.toml"
    file.write_text(file.read_text().replace("width = 8 ", "width = 4_000_000 ").replace("depth = 1 ", "depth = 3 "))

    def relist(m: Any) -> None:
        m["files"]["recipe.toml"] = {"size": file.stat().st_size, "sha256": digest(file)}

    rewritten(model, relist)
    with pytest.raises(GentoolError, match=r"does not fit the recipe: .* has shape"):
        gentoolkit.load(model)


def test_a_run_folder_that_came_with_a_model_is_not_loaded_by_reference(original: tuple[Path, Path], model: Path) -> None:
    from gentoolkit.engine.models.trained import load_reference
    from gentoolkit.registry import RunRef

    shutil.copytree(original[0], model / "inner")
    with pytest.raises(GentoolError, match="a run folder of others is not loaded"):
        load_reference(RunRef(path=str(model / "inner")))
    assert load_reference(RunRef(path=str(model))) is not None


def test_it_goes_into_a_new_folder(original: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert gentoolkit.export(original[0], tmp_path / "empty").name == "empty"
    for place, said in (("empty", "is there already"), ("nowhere/model", "does not exist")):
        with pytest.raises(GentoolError, match=said):
            gentoolkit.export(original[0], tmp_path / place)
    (tmp_path / "file").touch()
    with pytest.raises(GentoolError, match="is there already"):
        gentoolkit.export(original[0], tmp_path / "file")


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An exported model whose recipe brings code that leaves a trace when it is run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    table = recipe(tmp_path / "run", local={"modules": [str(tmp_path / "mine.py")]})
    table["model"] = {**table["model"], "denoiser": {"use": "local/Mine", "width": 8, "depth": 1}}
    train(table, quiet=True)
    gentoolkit.export("run", "model")
    (tmp_path / "it_ran").unlink()
    shutil.rmtree("run")
    yield tmp_path / "model"
    get_registry().plugins.pop("local", None)


def fresh_modules() -> None:
    """Forget local modules, which are run once per process."""
    import sys

    for name in [n for n in sys.modules if n.startswith("gentoolkit_local_")]:
        del sys.modules[name]


@pytest.mark.parametrize("door", ["load", "check", "evaluate", "extends", "reference"])
def test_code_of_others_is_listed_and_not_run(foreign: Path, door: str) -> None:
    fresh_modules()
    mine = recipe(Path("mine"))
    doors: dict[str, Any] = {
        "load": lambda: gentoolkit.load(foreign),
        "check": lambda: gentoolkit.check(foreign),
        "evaluate": lambda: evaluate(foreign),
        "extends": lambda: gentoolkit.check({"extends": str(foreign / "recipe.toml"), "training": mine["training"]}),
        "reference": lambda: gentoolkit.check(foreign / "recipe.toml", deep=True),
    }
    with pytest.raises(GentoolError) as caught:
        doors[door]()
    assert "it would run model/local/mine.py" in str(caught.value)
    assert "--trust-local" in str(caught.value)
    assert not Path("it_ran").exists()


def test_code_of_others_is_run_once_it_is_trusted(foreign: Path) -> None:
    fresh_modules()
    assert gentoolkit.load(foreign, trust_local=True).sample(2).shape == (2, 1, 8, 8)
    assert Path("it_ran").exists()


def test_code_that_the_manifest_does_not_list_is_refused_even_so(foreign: Path) -> None:
    (foreign / "local" / "more.py").write_text("")
    with pytest.raises(GentoolError, match=r"local/more.py is not listed"):
        gentoolkit.load(foreign, trust_local=True)


def test_code_may_not_hide_in_a_layer(foreign: Path) -> None:
    """A recipe that only extends another one is no way around either."""
    (foreign / "deeper").mkdir()
    (foreign / "deeper" / "a.toml").write_text('[local]\nmodules = ["../local/mine.py"]\n')
    (foreign / "recipe.toml").write_text('extends = "deeper/a.toml"\n')
    for source in (foreign, foreign / "recipe.toml", foreign / "deeper" / "a.toml"):
        fresh_modules()
        with pytest.raises(GentoolError):
            gentoolkit.check(source)
        assert not Path("it_ran").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(max_size=12) | st.sampled_from(["recipe.toml", "model.safetensors", "../x", "a/../b", "local/x.py"])
ENTRIES = JSON | st.fixed_dictionaries({"size": st.integers(), "sha256": st.text(max_size=70)})
MANIFESTS = JSON | st.fixed_dictionaries(
    {"format": st.just(1) | JSON, "step": st.integers() | JSON, "files": JSON | st.dictionaries(NAMES, ENTRIES, max_size=3)}
)


@settings(max_examples=150, deadline=None)
@given(manifest=st.binary(max_size=200) | MANIFESTS)
def test_no_manifest_made_of_anything_is_believed(manifest: Any) -> None:
    """Whatever the bytes, an error that says so; nothing outside is looked at."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recipe.toml").write_text("")
        (folder / "model.safetensors").write_bytes(b"")
        (folder / MANIFEST).write_bytes(manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode())
        with pytest.raises(GentoolError, match="nothing of it was used"):
            verified(folder)
