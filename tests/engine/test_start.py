"""Fine-tuning: a run that begins with another model's weights, and from then on is a run like any other."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import gentoolkit
from gentoolkit.engine import start
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError

from . import tiny


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run `base`, a snapshot of it, and the model that was exported from it."""
    folder = tmp_path_factory.mktemp("start")
    train({**tiny.recipe("ddgan", folder / "base", snapshot_every=6), "ema": {"decay": 0.5}}, quiet=True)
    gentoolkit.export(folder / "base", folder / "model")
    return folder


def tuned(folder: Path, run: Path | str, method: str = "ddgan", **how: Any) -> dict[str, Any]:
    """The tiny recipe, begun with the weights of `run`, by another optimizer."""
    training = {"batch_size": 4, "seed": 1} | how.pop("training", {})
    table = tiny.recipe(method, folder, **training)
    table["method"] = {**table["method"], "optimizers": {"denoiser": {"use": "adam", "lr": 1e-3}}}
    return {**table, "start": {"run": str(run), **how}}


def begun(table: dict[str, Any], where: Path) -> tuple[start.Start, dict[str, dict[str, torch.Tensor]]]:
    """(how it was started, tensors by net) of a recipe, before its first step."""
    loaded = gentoolkit.check(table)
    assembly = assemble(loaded.recipe, loaded.facts, load_reference)
    how = start.begin(loaded, assembly, where)
    assert how is not None
    return how, {net.name: dict(net.module.state_dict()) for net in assembly.plan.nets}


def part(table: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors below a prefix."""
    return {k.removeprefix(prefix): v for k, v in table.items() if k.startswith(prefix)}


@pytest.mark.parametrize("source", ["base", "base/snapshots/step-00000006", "model"])
@pytest.mark.parametrize("way", ["plain", "raw", "fresh"])
def test_before_the_first_step_the_model_is_the_sources(place: Path, tmp_path: Path, source: str, way: str) -> None:
    if way == "raw" and source != "base":
        with pytest.raises(GentoolError, match="holds the weights 'ema' alone; leave start"):
            begun(tuned(tmp_path, place / source, weights="raw"), tmp_path)
        return
    asked: dict[str, Any] = {"raw": {"weights": "raw"}, "fresh": {"fresh": ["discriminator"]}}.get(way, {})
    table = tuned(tmp_path, place / source, **asked)
    how, nets = begun(table, tmp_path)
    saved = tiny.state(place / "base")[1]
    kind = "net" if way == "raw" else "ema"
    assert tiny.identical(nets["denoiser"], part(saved, f"{kind}/denoiser/"))
    del table["start"]
    loaded = gentoolkit.check(table)
    random = {n.name: dict(n.module.state_dict()) for n in assemble(loaded.recipe, loaded.facts, load_reference).plan.nets}
    assert not tiny.identical(nets["denoiser"], random["denoiser"])
    if source == "base" and way != "fresh":
        assert tiny.identical(nets["discriminator"], part(saved, "net/discriminator/"))
        assert how.nets == {"denoiser": "loaded", "discriminator": "loaded"}
    else:
        assert tiny.identical(nets["discriminator"], random["discriminator"]), "as in a run that starts from nothing"
        why = "as start.fresh asks" if way == "fresh" else f"{place / source} has none"
        assert f"net 'discriminator' starts fresh: {why}" in how.notes
    assert how.source.step == 6


def test_optimizers_and_steps_are_fresh_and_the_average_begins_with_the_weights(place: Path, tmp_path: Path) -> None:
    table = {**tuned(tmp_path / "run", place / "base", training={"steps": 1}), "ema": {"decay": 0.75}}
    outcome = train(table, quiet=True)
    assert (outcome.start, outcome.step) == (0, 1)
    saved, before = tiny.state(tmp_path / "run")[1], tiny.state(place / "base")[1]
    assert {int(v) for k, v in saved.items() if k.startswith("optimizer/") and k.endswith("/step")} == {1}
    assert {int(v) for k, v in before.items() if k.startswith("optimizer/") and k.endswith("/step")} == {6}
    for key, old in part(before, "ema/denoiser/").items():
        now = saved[f"net/denoiser/{key}"]
        torch.testing.assert_close(saved[f"ema/denoiser/{key}"], old + 0.25 * (now - old))
    fresh = {**tuned(tmp_path / "anew", place / "base", fresh=["denoiser"], training={"steps": 1}), "ema": {"decay": 0.75}}
    train(fresh, quiet=True)
    anew = tiny.state(tmp_path / "anew")[1]
    first = [v for k, v in part(anew, "ema/denoiser/").items() if k.endswith("weight")][0]
    assert torch.isfinite(first).all()
    assert not tiny.identical(part(anew, "net/denoiser/"), part(saved, "net/denoiser/"))


def test_a_run_that_has_begun_needs_its_source_no_more(place: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(place / "base", tmp_path / "source"))
    train(tuned(tmp_path / "straight", source), quiet=True)
    train(tuned(tmp_path / "broken", source, training={"steps": 2}), quiet=True)
    record = json.loads((tmp_path / "broken" / "start.json").read_text())
    shutil.rmtree(source)
    train(tuned(tmp_path / "broken", source), quiet=True)
    assert tiny.identical(tiny.state(tmp_path / "broken")[1], tiny.state(tmp_path / "straight")[1])
    assert gentoolkit.load(tmp_path / "broken").sample(3).shape == (3, 2)
    found = hashlib.sha256()
    saved = tiny.state(place / "base")[1]
    for net, prefix in (("denoiser", "ema/"), ("discriminator", "net/")):
        for name, value in sorted(part(saved, f"{prefix}{net}/").items()):
            found.update(f"{net}/{name}{tuple(value.shape)}{value.dtype}".encode() + value.numpy().tobytes())
    assert record == {
        "run": str(source),
        "name": "ddgan",
        "run_id": gentoolkit.load(place / "base").loaded.run_id,
        "step": 6,
        "weights": "ema",
        "sha256": found.hexdigest(),
        "nets": {"denoiser": "loaded", "discriminator": "loaded"},
    }
    assert json.loads((tmp_path / "broken" / "start.json").read_text()) == record
    with pytest.raises(GentoolError, match="is no run folder"):
        train(tuned(tmp_path / "late", source), quiet=True)
    assert not (tmp_path / "late").exists(), "nothing was begun"


def test_what_damage_leaves_nothing_of_begins_with_the_weights_again(place: Path, tmp_path: Path) -> None:
    train(tuned(tmp_path / "straight", place / "base"), quiet=True)
    train(tuned(tmp_path / "run", place / "base", training={"steps": 2}), quiet=True)
    next((tmp_path / "run" / "checkpoints" / "step-00000002").glob("*.distcp")).write_bytes(b"")
    train(tuned(tmp_path / "run", place / "base"), quiet=True)
    straight = tiny.state(tmp_path / "straight")[1]
    assert tiny.identical(tiny.state_passing_over(tmp_path / "run"), straight)


def test_what_it_began_with_is_part_of_what_it_is(place: Path, tmp_path: Path) -> None:
    one, other = (gentoolkit.check(tuned(tmp_path / "run", place / name)) for name in ("base", "model"))
    plain = {k: v for k, v in tuned(tmp_path / "run", "").items() if k != "start"}
    assert len({one.run_id, other.run_id, gentoolkit.check(plain).run_id}) == 3
    assert gentoolkit.check(tuned(tmp_path / "run", place / "base"), ["start=none"]).recipe.start is None
    train(tuned(tmp_path / "run", place / "base", training={"steps": 1}), quiet=True)
    with pytest.raises(GentoolError, match=r"start\.run: .*base\" -> \".*model\""):
        train(tuned(tmp_path / "run", place / "model"), quiet=True)


def test_weights_that_do_not_fit_are_named_with_what_differs(place: Path, tmp_path: Path) -> None:
    table = tuned(tmp_path / "run", place / "base")
    table["model"] = {**table["model"], "denoiser": {**tiny.MLP, "width": 16, "depth": 6}}
    with pytest.raises(GentoolError) as caught:
        train(table, quiet=True)
    for said in (
        f"the weights of {place / 'base'} do not fit this recipe:",
        "has shape (8,",
        "there, (16,",
        "is not there",
        "... and ",
        "  model.denoiser.width: 8 -> 16",
        "  model.denoiser.depth: 2 -> 6",
        "make these parts as they are there",
    ):
        assert said in str(caught.value), said
    assert not (tmp_path / "run").exists(), "nothing was begun"
    judge = tuned(tmp_path / "run", place / "base")
    judge["method"] = {**judge["method"], "discriminator": {**tiny.MLP, "depth": 1}}
    with pytest.raises(GentoolError) as caught:
        train(judge, quiet=True)
    assert "discriminator/" in str(caught.value)
    assert "has no place here" in str(caught.value)
    assert 'start.fresh = ["discriminator"]' in str(caught.value)
    judge["start"]["fresh"] = ["discriminator"]
    assert train(judge, quiet=True).step == 6


def test_what_cannot_be_meant_is_refused(place: Path, tmp_path: Path) -> None:
    other = tuned(tmp_path, place / "base")
    other["model"] = {**other["model"], "parametrization": "eps-posterior"}
    for table, said in (
        (other, "parametrization 'x0-posterior' in .*, 'eps-posterior' in this recipe"),
        (
            tuned(tmp_path, place / "base", fresh=["critic"]),
            "'critic'; the nets of this recipe are 'denoiser', 'discriminator'",
        ),
        (tuned(tmp_path, place / "base", fresh=["discriminator", "denoiser"]), "nothing is left to be loaded"),
        (tuned(tmp_path, place / "base", weights="long"), "weights are 'ema' or 'raw', not 'long'"),
    ):
        with pytest.raises(GentoolError, match=said):
            begun(table, tmp_path)


def test_another_process_and_another_method_are_told(place: Path, tmp_path: Path) -> None:
    table = tuned(tmp_path, place / "base", "cvae")
    del table["method"]["optimizers"]
    how, nets = begun({**table, "process": {"steps": 2}}, tmp_path)
    assert tiny.identical(nets["denoiser"], part(tiny.state(place / "base")[1], "ema/denoiser/"))
    assert f"differs from {place / 'base'}: process.steps: 4 -> 2" in how.notes
    assert f"net 'encoder' starts fresh: {place / 'base'} has none" in how.notes
    assert not any("start." in note for note in how.notes)


def test_a_check_says_where_nothing_lies(tmp_path: Path) -> None:
    table = tuned(tmp_path, tmp_path / "nowhere")
    loaded = gentoolkit.check(table)
    assert [note.path for note in loaded.notes] == ["start.run"]
    with pytest.raises(GentoolError, match=r"there is no run in '.*nowhere'"):
        gentoolkit.check(table, files=True)


def test_a_licence_goes_along(place: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(place / "base", tmp_path / "imported"))
    (source / "origin.json").write_text(json.dumps({"files": {"g.pth": "0" * 64}, "licence": "for looking only"}))
    gentoolkit.export(source, tmp_path / "model")
    train(tuned(tmp_path / "run", tmp_path / "model", training={"steps": 1, "snapshot_every": 1}), quiet=True)
    for card in (tmp_path / "model" / "README.md", tmp_path / "run" / "snapshots" / "step-00000001" / "README.md"):
        assert "| licence of these weights | for looking only |" in card.read_text()
