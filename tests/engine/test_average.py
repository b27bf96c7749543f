"""Averages of the weights: what each forgets, that all are kept, and that results say which one they are of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gentoolkit
from gentoolkit.cli import gentool
from gentoolkit.engine.average import Average, decay_at, exponent
from gentoolkit.engine.train import train
from gentoolkit.evaluation.evaluate import evaluate
from gentoolkit.recipe.resolved import run_id
from gentoolkit.recipe.tree import Ema, Forgetting
from gentoolkit.registry import GentoolError

from . import tiny

MORE = {"long": {"half_life": 40}, "power": {"sigma_rel": 0.1}, "last": {"decay": 0.0}}


def several(folder: Path, more: dict[str, Any] = MORE, **training: Any) -> dict[str, Any]:
    """The tiny recipe with more averages."""
    return {**tiny.recipe("ddgan", folder, **training), "ema": {"decay": 0.5, "more": more}}


@pytest.mark.parametrize("sigma_rel", [0.01, 0.05, 0.1, 0.28])
def test_a_power_function_is_as_wide_as_it_is_asked_to_be(sigma_rel: float) -> None:
    """The weights of the steps in the average after n of them: their deviation is sigma_rel of n."""
    gamma, n = exponent(sigma_rel), 20_000
    assert sigma_rel**2 == pytest.approx((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)))
    options = Forgetting(sigma_rel=sigma_rel)
    kept = np.array([decay_at(options, step, 8) for step in range(n)])
    share = (1 - kept) * np.append(np.cumprod(kept[::-1])[::-1][1:], 1)
    assert kept[0] == 0, "the weights before the first step are forgotten"
    assert share.sum() == pytest.approx(1)
    at = np.arange(1, n + 1) / n
    mean = (share * at).sum()
    assert np.sqrt((share * (at - mean) ** 2).sum()) == pytest.approx(sigma_rel, rel=2e-3)
    assert share[n // 2 - 1] / share[-1] == pytest.approx(0.5**gamma, rel=1e-2, abs=1e-12), "in proportion to s^gamma"


def test_known_exponents() -> None:
    """Karras et al., 2024: sigma_rel of gamma = 6.94 and 16.97 are 0.10 and 0.05."""
    assert exponent(0.10) == pytest.approx(6.94, abs=0.005)
    assert exponent(0.05) == pytest.approx(16.97, abs=0.005)


def test_each_average_follows_by_its_own_decay() -> None:
    net = nn.Linear(2, 2)
    net.register_buffer("seen", torch.zeros(()))
    averages = {k: Average(net, lambda step, how=how: decay_at(how, step, 4)) for k, how in {
        "ema": Ema(decay=0.5), "long": Forgetting(half_life=40), "power": Forgetting(sigma_rel=0.2)}.items()}  # fmt: skip
    expected = {name: net.weight.detach().clone() for name in averages}
    for step in range(30):
        with torch.no_grad():
            net.weight.add_(torch.randn(2, 2))
            net.seen.add_(1)
        for name, decay in (
            ("ema", min(0.5, (1 + step) / (10 + step))),
            ("long", min(0.5 ** (4 / 40), (1 + step) / (10 + step))),
            ("power", (1 - 1 / (1 + step)) ** (exponent(0.2) + 1)),
        ):
            averages[name].update(step)
            expected[name] = decay * expected[name] + (1 - decay) * net.weight.detach()
            torch.testing.assert_close(averages[name].module.weight.data, expected[name])
            assert float(averages[name].module.seen) == step + 1


def test_averages_beside_the_first_change_nothing_and_are_kept(tmp_path: Path) -> None:
    train(several(tmp_path / "alone", {}), quiet=True)
    train(several(tmp_path / "run", steps=4), quiet=True)
    train(several(tmp_path / "run"), quiet=True)
    train(several(tmp_path / "straight"), quiet=True)
    alone, table = tiny.state(tmp_path / "alone")[1], tiny.state(tmp_path / "run")[1]
    assert tiny.identical(table, tiny.state(tmp_path / "straight")[1]), "resumed bit for bit"
    assert tiny.identical({k: v for k, v in table.items() if not k.startswith("ema.")}, alone)
    names = {k.partition("/denoiser/")[2] for k in table if k.startswith("ema/denoiser/")}
    for name in MORE:
        assert {k.partition("/denoiser/")[2] for k in table if k.startswith(f"ema.{name}/denoiser/")} == names
    for key in names:
        assert torch.equal(table[f"ema.last/denoiser/{key}"], table[f"net/denoiser/{key}"]), "a decay of 0 is the weights"
    moved = [k for k in names if not torch.equal(table[f"ema.long/denoiser/{k}"], table[f"ema.power/denoiser/{k}"])]
    assert moved, "two averages are two"


def test_whatever_is_asked_for_is_loaded_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = several(tmp_path / "run")
    recipe["metrics"] = {"speed": {"use": "speed", "batches": [1], "warmup": 1, "repeats": 1}}
    train(recipe, quiet=True)
    table = tiny.state(tmp_path / "run")[1]
    for weights, place in (("ema", "ema"), ("raw", "net"), ("long", "ema.long"), ("power", "ema.power")):
        model = gentoolkit.load("run", weights=weights).model
        for key, value in model.state_dict().items():
            assert torch.equal(value, table[f"{place}/denoiser/{key}"])
    assert not torch.equal(gentoolkit.load("run", "power").sample(4), gentoolkit.load("run").sample(4))
    (result,) = evaluate(gentoolkit.load("run", "power"))
    assert result.weights == "power"
    assert "/power/ancestral-4" in result.protocol
    for command in (["sample", "run", "-n", "4", "-o", "x.npz"], ["evaluate", "run"], ["export", "run", "model"]):
        with pytest.raises(GentoolError, match="weights are 'ema' or 'long' or 'power' or 'last' or 'raw', not 'lang'"):
            gentool([*command, "--weights", "lang"], standalone_mode=False)


@pytest.mark.parametrize("weights", ["ema", "raw", "long"])
def test_an_exported_model_knows_which_weights_it_holds(tmp_path: Path, weights: str) -> None:
    train(several(tmp_path / "run"), quiet=True)
    model = tmp_path / "model"
    gentool(["export", str(tmp_path / "run"), str(model), "--weights", weights], standalone_mode=False)
    assert json.loads((model / "MANIFEST.json").read_text())["weights"] == weights
    said = {"ema": "averaged over the training", "raw": "as trained, not averaged", "long": "averaged over the training (long)"}
    assert f"| weights | {said[weights]} |" in (model / "README.md").read_text()
    exported = gentoolkit.load(model)
    assert exported.weights == weights
    assert torch.equal(exported.sample(4), gentoolkit.load(tmp_path / "run", weights).sample(4))
    assert gentoolkit.load(model, weights=weights).weights == weights
    other = "raw" if weights == "long" else "long"
    with pytest.raises(GentoolError, match=f"holds the weights '{weights}' alone"):
        gentoolkit.load(model, weights=other)


def test_an_average_that_comes_later_starts_from_the_weights_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(several(tmp_path / "run", {}, steps=2), quiet=True)
    before = tiny.state(tmp_path / "run")[1]
    with pytest.raises(GentoolError, match=r"ema\.more\.later\.half_life: absent -> 1e\+18"):
        train(several(tmp_path / "run", {"later": {"half_life": 1e18}}), quiet=True)
    train(several(tmp_path / "run", {"later": {"half_life": 1e18}}, steps=2), allow_change=True, quiet=True)
    with pytest.raises(GentoolError, match="holds no weights 'later': this average is newer than the checkpoint"):
        gentoolkit.load(tmp_path / "run", "later")
    capsys.readouterr()
    train(several(tmp_path / "run", {"later": {"half_life": 1e18}}, steps=3), quiet=True)
    said = capsys.readouterr().err
    assert "the average ema.later/denoiser is not in the checkpoint; it starts from the weights" in said
    after = tiny.state(tmp_path / "run")[1]
    share = 1 - decay_at(Forgetting(half_life=1e18), 2, 8)
    for key in (k for k in before if k.startswith("net/denoiser/")):
        expected = before[key] + share * (after[key] - before[key])
        torch.testing.assert_close(after["ema.later" + key[3:]], expected)


def test_one_way_to_forget_and_a_name_of_its_own() -> None:
    more = {"none": {}, "two": {"decay": 0.9, "sigma_rel": 0.1}, "raw": {"decay": 0.9}, "a/b": {"decay": 0.9}}
    with pytest.raises(GentoolError) as caught:
        gentoolkit.check({**several(Path("run"), more), "ema": {"half_life": 5, "sigma_rel": 0.1, "more": more}})
    for said in (
        "decay, half_life or sigma_rel: this one gives none",
        "this one gives decay and sigma_rel",
        "an average cannot be called 'raw'",
        "an average cannot be called 'a/b'",
        "[ema] gives half_life, too",
    ):
        assert said in str(caught.value)
    for wrong, said in (
        ({"long": {"sigma_rel": 0.3}}, "must be <= 0.28"),
        ({"long": {"halflife": 3}}, "did you mean 'half_life'?"),
        ({"long": 3}, "[ema.more.long] is a table of options"),
        ({"use": "long"}, "'more' holds named tables"),
    ):
        with pytest.raises(GentoolError) as caught:
            gentoolkit.check(several(Path("run"), wrong))
        assert said in str(caught.value)


def test_an_average_can_be_dropped_and_old_recipes_keep_their_identity() -> None:
    plain, more = gentoolkit.check(several(Path("run"), {})), gentoolkit.check(several(Path("run")))
    dropped = gentoolkit.check(several(Path("run")), ['drop=["ema.more.long", "ema.more.power", "ema.more.last"]'])
    assert plain.run_id == dropped.run_id != more.run_id
    assert plain.run_id == run_id({k: v for k, v in plain.values.items() if k != ("ema", "sigma_rel")})
    assert gentoolkit.check(more.recipe).run_id == more.run_id
    assert "[ema.more.long]" in more.resolved
    assert "[ema.more" not in plain.resolved
    assert "averaged (ema, long, power, last)" in str(gentoolkit.check(several(Path("run")), deep=True).deep)
    assert (
        gentoolkit.check(several(Path("run")), deep=True).deep.averages
        == 4 * gentoolkit.check(several(Path("run"), {}), deep=True).deep.averages
    )
