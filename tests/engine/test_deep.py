"""The deep check: what it counts is what is there, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import gentoolkit
from gentoolkit.components.methods import Plan, Term, Update
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.checking.deep import Unknowable, term_sets
from gentoolkit.engine.checking.ghosts import ghostly
from gentoolkit.engine.train import train
from gentoolkit.registry import GentoolError, get_registry

from . import tiny

LOCAL = '''
import torch
from torch import nn

from gentoolkit import component, opt
from gentoolkit.components.denoisers import Denoiser


class Network(nn.Module):
    def __init__(self, config, facts):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 + config.off, 4), nn.Linear(4, 2))
        self.idle = nn.Linear(3, 3) if config.idle else None
        self.reads = config.reads

    def forward(self, x_t, level, condition):
        if self.reads and float(x_t.mean()) > 100:
            x_t = 2 * x_t
        return self.layers(x_t)


@component
class Net(Denoiser):
    """Two layers."""

    kinds = ("points",)
    takes_latent = True
    off: int = opt(0, "inputs too many")
    idle: bool = opt(False, "a layer too many")
    reads: bool = opt(False, "look at a number")
    broken: bool = opt(False, "fail when built")

    def deep_report(self, facts, parts):
        yield f"T = {parts['process'].T}, alpha_T = {float(parts['process'].grid.alpha[-1]):.4f}"

    def build(self, facts, parts):
        return Network(self, facts) if not self.broken else nn.Linear(-1, 2)
'''


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "net.py").write_text(LOCAL)

    def recipe(**options: Any) -> dict[str, Any]:
        table = tiny.recipe("ddpm", tmp_path / "run")
        table["local"] = {"modules": [str(tmp_path / "net.py")]}
        table["model"] = {"denoiser": {"use": "local/Net", **options}, "parametrization": "eps-posterior"}
        return table

    yield recipe
    get_registry().plugins.pop("local", None)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
@pytest.mark.parametrize("method", tiny.METHODS)
def test_counts_are_those_of_a_real_run(tmp_path: Path, method: str, precision: str) -> None:
    loaded = gentoolkit.check(tiny.recipe(method, tmp_path / "run", precision=precision), deep=True)
    report, size = loaded.deep, 8 if precision == "fp64" else 4
    real = assemble(loaded.recipe, loaded.facts, None)  # type: ignore[arg-type]
    counts = {n.name: sum(p.numel() for p in n.module.parameters()) for n in real.plan.nets}
    buffers = sum(b.numel() for r in real.plan.running for b in r.module.buffers())
    assert report.parameters == counts
    assert report.weights == size * (sum(counts.values()) + buffers)
    assert report.averages == size * counts["denoiser"]
    scalars = sum(len(list(n.module.parameters())) for n in real.plan.nets)
    assert report.optimizers == 2 * size * sum(counts.values()) + 4 * scalars  # Adam's two moments and its step
    assert report.idle == ()
    for cost in report.costs:
        assert cost.working > size * sum(counts.values())  # every player's gradients, and something to differentiate
    assert report.memory == report.weights + report.averages + report.optimizers + report.working
    assert not (tmp_path / "run").exists()


def test_operations_of_a_perceptron_by_hand(tmp_path: Path) -> None:
    report = gentoolkit.check(tiny.recipe("ddpm", tmp_path / "run"), deep=True).deep
    (cost,) = report.costs
    products = 3 * 8 + 8 * 8 + 8 * 2  # [x_t, time], two hidden layers of 8, two outputs
    assert cost.flops == 8 * 2 * (3 * products - 3 * 8)  # forward, by weights, by inputs but the first
    assert report.flops == cost.flops


def test_micro_batches_and_repeats_change_memory_and_compute_as_they_should(tmp_path: Path) -> None:
    table = tiny.recipe("ddgan", tmp_path / "run", batch_size=512)
    whole = gentoolkit.check(table, deep=True).deep
    micro = gentoolkit.check(table, ["training.micro_batch=64"], deep=True).deep
    assert (whole.batch, micro.batch) == (512, 64)
    assert micro.flops == whole.flops
    assert micro.working < whole.working / 4
    critic = gentoolkit.check(table, ["method.critic_steps=5"], deep=True).deep
    for one, five in zip(whole.costs, critic.costs, strict=True):
        assert five.flops == one.flops * (5 if one.update == "discriminator" else 1)
    shared = gentoolkit.check(table, nproc=8, deep=True).deep
    assert (shared.batch, shared.flops) == (64, whole.flops)


def test_what_lies_in_shards_is_divided(tmp_path: Path) -> None:
    table = tiny.recipe("ddgan", tmp_path / "run", precision="fp64")
    whole = gentoolkit.check(table, nproc=4, deep=True).deep
    cut = gentoolkit.check(table, ["training.parallel=fsdp"], nproc=4, deep=True).deep
    half = gentoolkit.check(table, ["training.parallel=hsdp:2x2"], nproc=4, deep=True).deep
    all_weights = 8 * sum(whole.parameters.values())
    assert (whole.weights, whole.averages) == (all_weights, 8 * whole.parameters["denoiser"])
    assert cut.weights <= all_weights / 4 + 2
    assert half.averages <= whole.averages / 2 + 1
    assert cut.optimizers < whole.optimizers / 2  # counters are whole
    assert [c.gathered for c in cut.costs] == [all_weights] * len(cut.costs)  # perceptrons name no blocks
    assert all(c.gathered == 0 for c in whole.costs)
    for one, other in zip(cut.costs, whole.costs, strict=True):
        waiting = 8 * whole.parameters["denoiser" if one.update == "discriminator" else "discriminator"]
        assert other.working - one.working == pytest.approx(waiting * 3 / 4, abs=64)  # but for a cached table
    assert cut.memory == cut.weights + cut.averages + cut.optimizers + cut.peak.working + all_weights
    assert "4 processes with the weights in 4 shards (fsdp)" in str(cut)
    assert "weights out of their shards at that time" in str(cut)
    assert "shards" not in str(whole)


def test_every_set_of_terms_is_met_with_its_share(tmp_path: Path) -> None:
    report = gentoolkit.check(tiny.recipe("ddgan", tmp_path / "run"), ["method.regularizers.r1.every=3"], deep=True).deep
    seen = {(c.update, c.terms): c.share for c in report.costs}
    assert seen == {
        ("discriminator", ("adversarial", "r1")): pytest.approx(1 / 3),
        ("discriminator", ("adversarial",)): pytest.approx(2 / 3),
        ("denoiser", ("adversarial",)): 1,
    }
    with_r1, without, _ = report.costs
    assert with_r1.flops > without.flops


def test_rare_updates_have_their_share() -> None:
    late = Update("late", (), (Term("a"), Term("b", every=8)), lambda *_: None, None, every=4)  # type: ignore[arg-type,return-value]
    assert term_sets(Plan((), (late,)), late, 1000) == [
        ((0, frozenset({"a", "b"})), 1 / 8),
        ((4, frozenset({"a"})), 1 / 8),
    ]


def test_the_report_says_it_in_words(tmp_path: Path, local: Any) -> None:
    text = str(gentoolkit.check(local(idle=True), deep=True).deep)
    assert "denoiser: simple -> denoiser (adam, lr 0.0002 constant)" in text
    assert "denoiser 'local/Net'\n  T = 4, alpha_T = 0.0066" in text
    assert "note: no loss reaches denoiser.denoiser.idle.weight" in text
    assert "MFLOP" in text
    assert "gradients and activations, at their peak" in text


def test_a_shape_that_does_not_fit_is_told_with_its_place(tmp_path: Path, local: Any) -> None:
    for door in (lambda t: gentoolkit.check(t, deep=True), lambda t: train(t, quiet=True)):
        with pytest.raises(GentoolError) as caught:
            door(local(off=3))
        said = str(caught.value)
        assert "denoiser 'local/Net' cannot go through the update 'denoiser'" in said
        assert "at layers.0 (Linear)" in said
        assert "[8, 2]" in said
        assert "model.denoiser" in said
    assert not (tmp_path / "run").exists(), "nothing was begun"


def test_a_part_that_cannot_be_built_is_named(local: Any) -> None:
    with pytest.raises(GentoolError, match="denoiser 'local/Net' cannot be built at its real size"):
        gentoolkit.check(local(broken=True), deep=True)


def test_a_part_that_looks_at_numbers_cannot_be_checked_but_is_trained(
    tmp_path: Path, local: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unknowable, match="denoiser 'local/Net' reads a number off a tensor"):
        gentoolkit.check(local(reads=True), deep=True)
    assert train(local(reads=True), quiet=True).step == 6
    assert "reads a number off a tensor" in capsys.readouterr().err


def test_without_the_deep_check_the_mistake_is_torchs(local: Any) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(local(off=3), quiet=True, deep=False)


def test_a_loss_of_another_shape_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gentoolkit.components.methods import Terms
    from gentoolkit.components.methods.gaussian_steps import GaussianSteps

    honest = GaussianSteps.denoiser

    def mean(self: Any, *arguments: Any) -> Terms:
        return Terms({k: v.mean() for k, v in honest(self, *arguments).values.items()})

    monkeypatch.setattr(GaussianSteps, "denoiser", mean)
    with pytest.raises(GentoolError, match=r"'simple' has shape \(\) where one number per sample is promised"):
        gentoolkit.check(tiny.recipe("ddpm", tmp_path / "run"), deep=True)


def test_it_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    gentoolkit.check(tiny.recipe("ddgan", tmp_path / "run"), deep=True)
    assert torch.equal(before, torch.get_rng_state())


def test_a_large_network_costs_no_memory(tmp_path: Path) -> None:
    table: Mapping[str, Any] = tiny.recipe("ddpm", tmp_path / "run")
    report = gentoolkit.check(table, ["model.denoiser.width=200000", "model.denoiser.depth=3"], deep=True).deep
    assert report.parameters["denoiser"] > 8e10
    assert report.memory > 2**40


def test_a_weight_that_two_layers_share_is_counted_once_and_stays_shared() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    net[1].weight = net[0].weight
    with FakeTensorMode():
        ghost = ghostly(net, torch.float64)
    assert ghost[0].weight is ghost[1].weight
    assert sum(p.numel() for p in ghost.parameters()) == 16 + 8
    assert all(p.dtype == torch.float64 for p in ghost.parameters())
