"""Run by torchrun: every case of `test_parallel.py` in one group of four processes.

Usage: parallel_worker.py FOLDER
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard

sys.path.insert(0, str(Path(__file__).parent))

import tiny

from gentoolkit.components.regularizers.slopes import squared_slope
from gentoolkit.engine.average import full
from gentoolkit.engine.processes.shell import inside
from gentoolkit.engine.processes.world import World, world
from gentoolkit.engine.processes.wrap import Wrap, clip, mesh_of, total_norm, wrap
from gentoolkit.engine.train import train
from gentoolkit.recipe.parallelism import parallelism

KINDS = ("ddp", "fsdp", "hsdp:2x2")
Loss = Callable[[Any, Tensor], Tensor]


class Judge(nn.Module):
    """A network of two convolutional blocks that it names, or does not."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(nn.Conv2d(i, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3)) for i in (2, 4))
        self.out = nn.Linear(4, 1, bias=False)  # a penalty alone would not reach it
        self.blocks = list(self.parts) if named else []

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[B]`."""
        for part in self.parts:
            x = part(x)
        return self.out(x.tanh().mean(dim=(2, 3))).squeeze(1)


def adversarial(net: Any, x: Tensor) -> Tensor:
    """Two forward passes, as for real and for fake samples."""
    return (nn.functional.softplus(-net(x)) + nn.functional.softplus(net(x.flip(-1)))).mean()


def penalty(net: Any, x: Tensor) -> Tensor:
    """R1 alone: the gradient of a gradient."""
    x = x.clone().requires_grad_()
    return squared_slope(net, x, net(x)).mean()


def both(net: Any, x: Tensor) -> Tensor:
    """As in a step of ddgan in which r1 is due, and a forward pass after it, as wgan-gp has one."""
    return adversarial(net, x) + penalty(net, x) + penalty(net, 2 * x)


LOSSES: dict[str, Loss] = {"adversarial": adversarial, "penalty": penalty, "both": both}


def share(x: Tensor, here: World) -> Tensor:
    """This process's part of a batch."""
    first, stop = here.slots(len(x))
    return x[first:stop]


def gradients(one: Wrap, loss: Loss, x: Tensor, parts: int) -> list[Tensor]:
    """Gradients of a loss inside a wrapping, in micro-batches, put together."""
    one.prepare(True, loss is not adversarial)
    one.net.zero_grad()
    for i, micro in enumerate(x.chunk(parts)):
        with one.sharing(last=i + 1 == parts):
            one.shell(lambda net, micro=micro: {"total": loss(net, micro) / parts})["total"].backward()
    one.rest()
    return [full(p.grad) for p in one.net.parameters()]


def second_order(here: World) -> dict[str, Any]:
    """Relative distance of the gradients in every wrapping from those of the whole batch in one process, by case."""
    torch.manual_seed(0)
    x = torch.randn(8, 2, 8, 8, dtype=torch.float64)
    found: dict[str, Any] = {}
    for named in (False, True):
        net = Judge(named).double()
        whole = {name: torch.autograd.grad(loss(net, x), list(net.parameters())) for name, loss in LOSSES.items()}
        for kind in KINDS:
            parallel = parallelism(kind, here.size)
            one = wrap("judge", copy.deepcopy(net), here, parallel, mesh_of(parallel, here.device))
            for name, loss in LOSSES.items():
                for parts in (1, 2):
                    mine = gradients(one, loss, share(x, here), parts)
                    apart = max(
                        float((a - b).norm() / b.norm().clamp(min=1e-6)) for a, b in zip(mine, whole[name], strict=True)
                    )
                    found[f"{kind} {'blocks' if named else 'whole'} {name} {parts}"] = apart
    return found


def two_nets(here: World) -> dict[str, float]:
    """As `second_order`, for two nets in one loss, one of them frozen in half of the cases."""
    torch.manual_seed(1)
    x = torch.randn(8, 2, 8, 8, dtype=torch.float64)
    nets = {name: Judge(named).double() for name, named in (("a", True), ("b", False))}
    found = {}

    def loss(nets: dict[str, Any], x: Tensor) -> Tensor:
        return penalty(nets["a"], x) + (nets["a"](x) * nets["b"](x)).mean()

    for kind in KINDS:
        for trained in (("a", "b"), ("a",)):
            parallel = parallelism(kind, here.size)
            mesh = mesh_of(parallel, here.device)
            wraps = {n: wrap(n, copy.deepcopy(net), here, parallel, mesh) for n, net in nets.items()}
            for name, one in wraps.items():
                one.prepare(name in trained, True)
            entered = {n: w for n, w in wraps.items() if n in trained or not w.whole}
            outside = {n: w.net for n, w in wraps.items() if n not in entered}
            shells = {n: w.shell for n, w in entered.items()}
            mine = share(x, here)
            inside(shells, lambda nets, mine=mine, outside=outside: [loss({**outside, **nets}, mine)])[0].backward()
            for one in wraps.values():
                one.rest()
            weights = [p for n in trained for p in nets[n].parameters()]
            whole = torch.autograd.grad(loss(nets, x), weights)
            got = [full(p.grad) for n in trained for p in wraps[n].net.parameters()]
            worst = max(float((a - b).norm() / b.norm().clamp(min=1e-6)) for a, b in zip(got, whole, strict=True))
            found[f"{kind} trains {' and '.join(trained)}"] = worst
            assert all(p.grad is None for n in nets if n not in trained for p in wraps[n].net.parameters())
    return found


def without_care(here: World) -> dict[str, str]:
    """What becomes of a penalty where the net itself is sharded, and where blocks do not keep their weights."""
    torch.manual_seed(0)
    x = share(torch.randn(8, 2, 8, 8, dtype=torch.float64), here)
    mesh = mesh_of(parallelism("fsdp", here.size), here.device)
    bare = fully_shard(Judge(False).double(), mesh=mesh)
    hasty = wrap("judge", Judge(True).double(), here, parallelism("fsdp", here.size), mesh)
    hasty.prepare(True, second_order=False)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, act in (
            ("net itself", lambda: penalty(bare, x).backward()),
            ("blocks", lambda: hasty.shell(lambda net: {"total": penalty(net, x)})["total"].backward()),
        ):
            try:
                act()
                found[name] = ""
            except RuntimeError as error:
                found[name] = str(error)
    return found


def norms(here: World) -> dict[str, tuple[float, float, float]]:
    """(norm of sharded tensors, of the whole ones, largest entry that clipping left different), by kind."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1)).double()  # sizes that four do not divide
    found = {}
    for kind in ("fsdp", "hsdp:2x2"):
        parallel = parallelism(kind, here.size)
        one = wrap("net", copy.deepcopy(net), here, parallel, mesh_of(parallel, here.device))
        weights, whole = list(one.net.parameters()), [p.detach().clone() for p in net.parameters()]
        norm, expected = total_norm([w.detach() for w in weights]), torch.nn.utils.get_total_norm(whole)
        clip([w.detach() for w in weights], 0.25, norm)
        clip(whole, 0.25, expected)
        left = max(float((full(w.detach()) - p).abs().max()) for w, p in zip(weights, whole, strict=True))
        found[kind] = (float(norm), float(expected), left)
    return found


def buffers(here: World) -> dict[str, list[Tensor]]:
    """Running means of a batch norm after an update, by kind and process."""
    torch.manual_seed(3)
    x = torch.randn(8, 2)
    found = {}
    for kind in KINDS:
        parallel = parallelism(kind, here.size)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one = wrap("net", nn.BatchNorm1d(2), here, parallel, mesh_of(parallel, here.device))
        one.prepare(True, False)
        with one.sharing(last=True):
            one.shell(lambda net: {"total": net(share(x, here)).square().mean()})["total"].backward()
        one.rest()
        gathered = [torch.empty(2) for _ in range(here.size)]
        dist.all_gather(gathered, one.net.running_mean)
        found[kind] = [*gathered, x[:2].mean(0) * 0.1]
    return found


def poisoned(folder: Path) -> None:
    """A loss that is not finite on one process alone ends the run on all of them, before any weight is changed."""
    from gentoolkit.components.methods.gaussian_steps import GaussianSteps

    honest = GaussianSteps.denoiser
    calls = []

    def spoilt(self: Any, *arguments: Any) -> Any:
        terms = honest(self, *arguments)
        calls.append(None)
        if len(calls) == 4 and dist.get_rank() == 2:
            terms.values["simple"][0] = torch.nan
        return terms

    GaussianSteps.denoiser = spoilt
    try:
        run(tiny.recipe("ddpm", folder))
    except Exception as error:
        (folder / f"poisoned-{dist.get_rank()}.txt").write_text(f"{type(error).__name__}: {error}")
    GaussianSteps.denoiser = honest


def run(table: dict[str, Any]) -> None:
    """Train without the deep check, which is the same in all runs, and with a checkpoint at the end alone."""
    table["training"].setdefault("parallel", "fsdp")
    table["training"]["checkpoint_every"] = 100
    train(table, quiet=True, deep=False)


def main(folder: Path) -> None:
    """All cases."""
    with world("cpu") as here:
        found = {"second order": second_order(here), "two nets": two_nets(here), "norms": norms(here)}
        found["buffers"] = buffers(here)
        found["without care"] = without_care(here)
        if here.first:
            torch.save(found, folder / "found.pt")

        for kind in KINDS:
            run(tiny.recipe("ddgan", folder / f"ddgan-{kind}", precision="fp64", parallel=kind, clip=0.5))
            with tiny.freezing():
                run(tiny.partly_frozen(folder / f"frozen-{kind}", parallel=kind))
        run(tiny.recipe("ddgan", folder / "hsdp-straight", parallel="hsdp:2x2"))
        run(tiny.recipe("ddgan", folder / "hsdp-broken", parallel="hsdp:2x2", steps=3))
        run(tiny.recipe("ddgan", folder / "hsdp-broken", parallel="hsdp:2x2"))
        for steps, kind in ((4, "hsdp:2x2"), (5, "fsdp"), (6, "ddp"), (7, "fsdp")):  # begun by one process
            run(tiny.recipe("ddgan", folder / "changed", precision="fp64", parallel=kind, steps=steps))
        for denoiser in tiny.BLOCKS:
            run(tiny.pictures(denoiser, folder / denoiser, activation_checkpointing=denoiser == "dit"))
        pictures: list[Tensor] = []
        tiny.keep_pictures(pictures)
        run(tiny.watched(folder / "watched", snapshot_every=3, compile="auto"))
        if here.first:
            torch.save(pictures, folder / "pictures.pt")
        run(tiny.recipe("ddpm", folder / "three", steps=3))
        poisoned(folder / "poisoned")
        here.barrier()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
