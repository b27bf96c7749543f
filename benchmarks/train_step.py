"""What one training iteration of DDGAN on CIFAR-10 costs, beside the same iteration written as published, in one run.

python benchmarks/train_step.py [--batch 4] [--threads 2] [--repeats 3]

Both take the same weights, images and noise, and end in the same gradients, which is shown first. As published means: G
inside the graph in the discriminator's phase, a backward pass for each term, the filter as zero-stuffing and a one-channel
convolution, Adam and the average over every tensor of the released layout. CPU-seconds over all threads (the least of the
repeats) are what is compared: on a machine that others use, wall time measures them. Threads that wait must sleep
(OMP_WAIT_POLICY=passive, which the script sets), or their spinning counts as work: then the published one costs up to four
times as much.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import published
import torch
from torch import Tensor

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Batch
from gentoolkit.components.model import Condition
from gentoolkit.diffusion import Draw
from gentoolkit.engine.assemble import assemble
from gentoolkit.engine.average import Average
from gentoolkit.engine.guard import Guard
from gentoolkit.engine.log.moments import Moments
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.players import Nets, Player
from gentoolkit.engine.processes.world import World
from gentoolkit.interop.ddgan_layout import discriminator_layout, generator_layout
from gentoolkit.interop.ddgan_run import fill
from gentoolkit.interop.ddgan_weights import discriminator_state, generator_state
from gentoolkit.interop.tensor_file import TensorFile
from gentoolkit.recipe.parallelism import Parallelism

SIZE, NZ, GAMMA, EVERY, DECAY = 32, 100, 0.02, 15, 0.9999
G = {"width": 128, "mults": (1, 2, 2, 2), "blocks": 2, "attention": (1,), "zemb": 256, "linears": 5}
RATES = {"discriminator": 1.25e-4, "denoiser": 1.6e-4}
RECIPE = {
    "data": {"use": "image-folder", "source": "images", "size": SIZE},
    "process": {"schedule": {"use": "vp", "start": 1e-3}, "steps": 4},
    "model": {
        "denoiser": {"use": "ncsnpp", "tanh": True},
        "latent": {"use": "gaussian", "dim": NZ, "width": 256, "layers": 5, "init": "fan-out"},
    },
    "method": {
        "use": "ddgan",
        "discriminator": {"use": "time-conv", "stddev_layout": "reference"},
        "regularizers": {"r1": {"use": "r1", "gamma": GAMMA, "every": EVERY}},
        "optimizers": {name: {"use": "adam", "lr": lr, "betas": [0.5, 0.9]} for name, lr in RATES.items()},
    },
    "training": {"steps": 1000, "batch_size": 4},
    "ema": {"decay": DECAY},
}


class Ours:
    """The toolkit's iteration, as its loop takes it."""

    def __init__(self, batch: int, states: dict[str, dict[str, Tensor]]) -> None:
        recipe = {**RECIPE, "training": {"steps": 1000, "batch_size": batch}}
        loaded = recipes.load(recipe)
        assembly, world = assemble(loaded.recipe, loaded.facts, load_reference), World(0, 1, torch.device("cpu"))
        self.nets = Nets(assembly.plan, world, torch.float32, Parallelism("none"))
        for name, state in states.items():
            fill(self.nets.modules[name], state)
        self.process, self.moments = assembly.model.process, Moments(4, world)
        self.players = [Player(u, self.nets, loaded.facts, world, "fp32", None) for u in assembly.plan.updates]
        self.average = Average(self.nets.modules["denoiser"], lambda step: DECAY)
        self.guard = Guard("stop", 1, world)

    def gradients(self, step: int, x_0: Tensor, draws: Callable[[str], Draw]) -> dict[str, dict[str, Tensor]]:
        """Of every update, at the weights as they are."""
        found = {}
        for player in self.players:
            self.nets.train_only(player.update.trains)
            player.optimizer.zero_grad()
            terms = player.losses(Batch(x_0, Condition()), draws(player.update.name), player.update.active(step))
            player.weighted(terms, step).backward()
            net = self.nets.modules[player.update.trains[0]]
            found[player.update.name] = {n: p.grad.clone() for n, p in net.named_parameters()}
        return found

    def iteration(self, step: int, x_0: Tensor, draws: Callable[[str], Draw]) -> None:
        """Both updates and the average."""
        for player in self.players:
            self.guard.comes(step, player.update, 0)
            player.step(step, [Batch(x_0, Condition())], [draws(player.update.name)], self.guard, self.moments)
        self.average.update(step, self.guard.held("denoiser"))


class Published:
    """The iteration as published; of the toolkit it takes the noise and the schedule's numbers alone."""

    def __init__(self, process: object, g: published.Weights, d: published.Weights) -> None:
        self.process, self.g, self.d = process, g, d
        self.adam = {
            name: torch.optim.Adam(w.made.values(), lr=RATES[name], betas=(0.5, 0.9), foreach=True)
            for name, w in (("discriminator", d), ("denoiser", g))
        }
        self.average = {n: w.detach().clone() for n, w in g.made.items()}

    def fake(self, x_t: Tensor, t: Tensor, rng: Draw) -> Tensor:
        """x'_{t-1}, with G in the graph."""
        x_0 = published.generator(self.g, x_t, t - 1, rng.normal("z", (NZ,)), **G)
        return self.process.posterior(x_0, x_t, t).rsample(rng, "posterior")

    def discriminator(self, step: int, x_0: Tensor, rng: Draw) -> None:
        """Gradients of D: three backward passes, or two."""
        t = rng.integers("t", 1, 4)
        x_prev, x_t = self.process.pair(x_0, t, rng)
        real = published.discriminator(self.d, x_prev.requires_grad_(), t - 1, x_t)
        published.real_loss(real).backward(retain_graph=True)
        if step % EVERY == 0:
            (slope,) = torch.autograd.grad(real.sum(), x_prev, create_graph=True)
            (GAMMA / 2 * slope.flatten(1).square().sum(1).mean()).backward()
        fake = published.discriminator(self.d, self.fake(x_t, t, rng.scope("fake")), t - 1, x_t)
        published.real_loss(-fake).backward()

    def denoiser(self, step: int, x_0: Tensor, rng: Draw) -> None:
        """Gradients of G."""
        t = rng.integers("t", 1, 4)
        x_t = self.process.marginal(x_0, t, rng.normal("eps", tuple(x_0.shape[1:])))
        logits = published.discriminator(self.d, self.fake(x_t, t, rng.scope("fake")), t - 1, x_t)
        published.real_loss(logits).backward()

    def phase(self, name: str, step: int, x_0: Tensor, draws: Callable[[str], Draw]) -> published.Weights:
        """One player's gradients; the other's are not asked for in G's phase alone."""
        mine = self.d if name == "discriminator" else self.g
        for w in self.d.made.values():
            w.requires_grad_(name == "discriminator")
        self.adam[name].zero_grad()
        getattr(self, name)(step, x_0, draws(name))
        return mine

    def gradients(self, step: int, x_0: Tensor, draws: Callable[[str], Draw], folder: Path) -> dict[str, dict[str, Tensor]]:
        """Of both phases, under the toolkit's names."""
        found = {}
        for name in self.adam:
            torch.save(self.phase(name, step, x_0, draws).file("grad"), folder / "gradients.pth")
            found[name] = renamed(name, folder / "gradients.pth")
        return found

    def iteration(self, step: int, x_0: Tensor, draws: Callable[[str], Draw]) -> None:
        """Both phases and the average."""
        for name, adam in self.adam.items():
            self.phase(name, step, x_0, draws)
            adam.step()
        with torch.no_grad():
            for n, w in self.g.made.items():
                self.average[n].mul_(DECAY).add_(w, alpha=1 - DECAY)


def renamed(name: str, path: Path) -> dict[str, Tensor]:
    """A file of released names as the state of the net of that update."""
    file = TensorFile(path)
    if name == "denoiser":
        return generator_state(file, generator_layout(file.path, file.shapes))
    return discriminator_state(file, discriminator_layout(file.path, file.shapes))


def main() -> None:
    """Compare the gradients, then the costs."""
    parser = argparse.ArgumentParser()
    for option, default in (("--batch", 4), ("--threads", 2), ("--repeats", 3)):
        parser.add_argument(option, type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    noise = torch.Generator().manual_seed(0)
    x_0 = (torch.randn(asked.batch, 3, SIZE, SIZE, generator=noise) / 2).clamp(-1, 1)
    g, d = published.Weights(1), published.Weights(2)
    with torch.no_grad():
        t, z = torch.zeros(asked.batch, dtype=torch.int64), torch.randn(asked.batch, NZ, generator=noise)
        published.generator(g, x_0, t, z, **G)
        published.discriminator(d, x_0, t, x_0)

    with tempfile.TemporaryDirectory() as name:
        folder, states = Path(name), {}
        for net, weights in (("denoiser", g), ("discriminator", d)):
            torch.save(weights.file(), folder / "weights.pth")
            states[net] = renamed(net, folder / "weights.pth")
        ours = Ours(asked.batch, states)
        slow = Published(ours.process, g, d)

        def draws(step: int) -> Callable[[str], Draw]:
            return lambda update: Draw(("benchmark", step, update), 0, asked.batch)

        expected, found = slow.gradients(0, x_0, draws(0), folder), ours.gradients(0, x_0, draws(0))
    print("| gradients of | tensors | relative difference: median | largest |\n|---|---|---|---|")
    for update, tensors in expected.items():
        apart = sorted(float((found[update][n] - v).norm() / v.norm().clamp(min=1e-12)) for n, v in tensors.items())
        label = f"{update}, R1 in it" if update == "discriminator" else update
        print(f"| {label} | {len(apart)} | {statistics.median(apart):.1e} | {apart[-1]:.1e} |")

    cost: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for repeat in range(asked.repeats + 1):
        for penalty in (True, False):
            for who, iteration in (("published", slow.iteration), ("gentoolkit", ours.iteration)):
                step = EVERY * (repeat + 1) + (not penalty)
                cpu, wall = time.process_time(), time.perf_counter()
                iteration(step, x_0, draws(step))
                if repeat:  # the first round allocates
                    spent = time.process_time() - cpu, time.perf_counter() - wall
                    cost.setdefault((who, penalty), []).append(spent)
    print("\n| iteration | published, CPU-s (wall) | gentoolkit, CPU-s (wall) | share |\n|---|---|---|---|")
    for penalty in (True, False):
        least = {who: [min(v) for v in zip(*cost[who, penalty], strict=True)] for who in ("published", "gentoolkit")}
        cells = [f"{cpu:.2f} ({wall:.2f})" for cpu, wall in least.values()]
        share = least["gentoolkit"][0] / least["published"][0]
        print(f"| {'with' if penalty else 'without'} R1 | {cells[0]} | {cells[1]} | {share:.2f} |")
    machine = f"{asked.threads} threads of {os.cpu_count()} cores, torch {torch.__version__}"
    print(f"\nbatch {asked.batch}, {machine}; least of {asked.repeats}")


if __name__ == "__main__":
    if "OMP_WAIT_POLICY" not in os.environ:  # read when torch was imported, so start again
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_WAIT_POLICY": "passive"})
    main()
