"""What a GPU does with the toolkit: is it right, how fast is it, and does a resumed run end with the same bits. One table.

python benchmarks/gpu.py                        # about eight minutes on an H100
python benchmarks/gpu.py --device cpu --tiny    # about a minute; says nothing about speed, and nothing is compiled to C++
python benchmarks/gpu.py --only speed,resume

Every section stands alone: one that fails is a row that says so, and the rest goes on. No data set is needed.
"""

from __future__ import annotations

import argparse
import gc
import platform
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from gentoolkit import recipe as recipes
from gentoolkit.components.methods import Batch
from gentoolkit.components.metrics.timing import Stopwatch
from gentoolkit.components.model import Condition
from gentoolkit.components.networks import fir
from gentoolkit.diffusion import Draw
from gentoolkit.engine.assemble import assemble, build
from gentoolkit.engine.average import averages
from gentoolkit.engine.checking.deep import deep_check
from gentoolkit.engine.guard import Guard
from gentoolkit.engine.log.moments import Moments
from gentoolkit.engine.log.peaks import peak
from gentoolkit.engine.loop import DTYPES
from gentoolkit.engine.models.trained import load_reference
from gentoolkit.engine.numerics import programs
from gentoolkit.engine.numerics.layout import prepare
from gentoolkit.engine.numerics.precision import settings
from gentoolkit.engine.numerics.programs import Programs, Verdict, stirred
from gentoolkit.engine.players import Nets, Player, players
from gentoolkit.engine.processes.world import World
from gentoolkit.engine.storage import checkpoints, folder
from gentoolkit.engine.storage.store import Store
from gentoolkit.engine.train import train
from gentoolkit.recipe.parallelism import Parallelism

Rows = Iterator[tuple[str, str]]
METHODS = ("ddgan_cifar10", "cvae_cifar10", "ddpm_cifar10")
EVERY = 15
"""Steps from one R1 to the next in the CIFAR-10 recipe."""
SMALLER = {
    "ddgan_cifar10": ("method.discriminator.width={w}", "method.discriminator.mults=[1,2]", "method.discriminator.full=1"),
    "cvae_cifar10": ("method.encoder.width={w}",),
    "ddpm_cifar10": ("model.denoiser.head_channels={w}",),
}


class Bench:
    """A recipe's players on a device, and made-up images for them.

    Args:
        name: of a shipped recipe.
        overrides: of its options.
        device: where it runs.
        parallel: how its nets are wrapped.
    """

    def __init__(self, name: str, overrides: list[str], device: torch.device, parallel: str = "none") -> None:
        loaded = recipes.load(name, overrides)
        self.recipe, self.facts, self.device = loaded.recipe, loaded.facts, device
        training = self.recipe.training
        self.assembly, world = assemble(self.recipe, self.facts, load_reference), World(0, 1, device)
        prepare(self.assembly.plan, training, device)
        self.dtype = DTYPES[training.precision]
        self.nets = Nets(self.assembly.plan, world, self.dtype, Parallelism(parallel))
        self.programs = Programs(training.compile, training.precision, world, training.deterministic)
        self.players = players(self.assembly.plan, self.nets, self.facts, world, training, self.programs)
        self.averages = averages(self.recipe, self.assembly.plan, self.nets.modules, self.nets.hollows)
        self.guard, self.moments = Guard("stop", 1, world), Moments(self.facts.steps, world)

    def batch(self, n: int) -> Batch:
        """n images of noise, the same everywhere."""
        x_0 = Draw(("images",), 0, n).normal("x_0", self.facts.shape).tanh()
        return Batch(
            x_0.to(self.device, self.dtype), Condition(y=None if self.facts.classes is None else torch.zeros(n).long())
        )

    def draw(self, player: Player, step: int, n: int) -> Draw:
        """The noise of an update."""
        return Draw(("bench", step, player.update.name), 0, n, self.device, self.dtype)

    def step(self, step: int, batch: Batch) -> None:
        """All updates and the averages."""
        for player in self.players.values():
            self.guard.comes(step, player.update, 0)
            player.step(step, [batch], [self.draw(player, step, len(batch.x_0))], self.guard, self.moments)
        for average in self.averages.values():
            average.update(step)

    def gradients(self, n: int, update: str | None = None, term: str | None = None) -> Tensor:
        """Of every weight at step 0 (of one update, of one term), flat, in float64 on the CPU; weights are stirred."""
        found = []
        for player in self.players.values():
            if update not in (None, player.update.name):
                continue
            active = player.update.active(0)
            second = any(t.second_order for t in player.update.terms)
            self.nets.train_only(player.update.trains, second)
            player.optimizer.zero_grad(set_to_none=True)
            terms = player.autocast_losses(self.batch(n), self.draw(player, 0, n), active)
            (player.weighted(terms, 0) if term is None else terms.values[term].mean()).backward()
            self.nets.rest()
            for weight in player.weights:
                grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                found.append((grad.full_tensor() if hasattr(grad, "full_tensor") else grad).double().flatten().cpu())
        return torch.cat(found)

    def seconds(self, step: int, batch: Batch, repeats: int) -> float:
        """Median of a step's time."""
        times = []
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            self.step(step, batch)
            self.wait()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def wait(self) -> None:
        """For the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def apart(found: Tensor, expected: Tensor) -> str:
    """The relative distance of two gradients."""
    return f"{float((found - expected).norm() / expected.norm()):.1e}"


class Sections:
    """All that is looked at.

    Args:
        device: where.
        tiny: networks for seconds on a CPU.
        scratch: an empty folder.
        until: `time.monotonic()` after which nothing long is begun.
    """

    def __init__(self, device: torch.device, tiny: bool, scratch: Path, until: float) -> None:
        self.device, self.tiny, self.scratch, self.until = device, tiny, scratch, until
        self.width = 8 if tiny else 32
        self.best = 4 if tiny else 128

    def small(self, name: str, *more: str) -> list[str]:
        """Overrides that make a method's networks small."""
        shape = [f"model.denoiser.width={self.width}", "model.denoiser.mults=[1,2]", "model.denoiser.blocks=1"]
        return [*shape, *(o.format(w=self.width) for o in SMALLER[name]), "training.batch_size=8", *more]

    def full(self, batch: int, *more: str) -> list[str]:
        """Overrides of the CIFAR-10 recipe at its real size, small only if `tiny`."""
        size = self.small("ddgan_cifar10") if self.tiny else []
        return [*size, f"training.batch_size={batch}", *more]

    def draws(self) -> Rows:
        """Noise is the same on every device."""
        for dtype in (torch.float32, torch.float64):
            here, there = (Draw(("gpu",), 3, 200, d, dtype) for d in ("cpu", self.device))
            for kind, arguments in (("normal", ((100,),)), ("uniform", ()), ("integers", (1, 4))):
                one, other = (getattr(d, kind)(kind, *arguments) for d in (here, there))
                yield f"{kind}, {str(dtype)[6:]}", "equal" if torch.equal(one, other.cpu()) else "DIFFERENT"

    def gradients(self) -> Rows:
        """The device against the CPU, and R1 under bf16 against fp32."""
        for name in METHODS:
            options = [*self.small(name), "model.denoiser.dropout=0"]  # the devices' own generators differ
            here, there = (Bench(name, options, d) for d in (torch.device("cpu"), self.device))
            with stirred(here.nets.modules.values()), stirred(there.nets.modules.values()):
                yield (
                    f"{name}: gradients on {self.device.type} against the CPU, fp32",
                    apart(there.gradients(8), here.gradients(8)),
                )
        benches = [Bench(METHODS[0], self.small(METHODS[0], f"training.precision={p}"), self.device) for p in ("bf16", "fp32")]
        for term in ("r1", "adversarial"):
            with ExitStack() as stack:
                for bench in benches:
                    stack.enter_context(stirred(bench.nets.modules.values()))
                rough, exact = (bench.gradients(8, "discriminator", term) for bench in benches)
            yield f"gradient of {term}, bf16 against fp32", apart(rough, exact)

    def compiled(self) -> Rows:
        """Every program of every method against the eager loss."""
        for precision in ("fp32", "bf16"):
            for name in METHODS:
                more = ("training.compile=auto", f"training.precision={precision}")
                bench = Bench(name, self.small(name, *more), self.device)
                for step in (0, 1):
                    bench.step(step, bench.batch(8))
                for program, verdict in bench.programs.verdicts.items():
                    yield f"{name}, {precision}: {program}", told(verdict)

    def wrapped(self) -> Rows:
        """DDP and FSDP2 on a group of one process against no wrapper."""
        plain = Bench(METHODS[0], self.small(METHODS[0]), self.device).gradients(8)
        backend = "nccl" if self.device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        try:
            for kind in ("ddp", "fsdp"):
                found = Bench(METHODS[0], self.small(METHODS[0]), self.device, kind).gradients(8)
                yield f"{kind} over {backend}, one process: gradients, R1 among them", apart(found, plain)
        finally:
            dist.destroy_process_group()

    def resume(self) -> Rows:
        """A run in bf16, compiled, straight and interrupted: networks, averages, optimizer states."""
        images = np.random.default_rng(0).integers(0, 256, (64, 32, 32), dtype=np.uint8)
        header = np.array([0x803, 64, 32, 32], dtype=">i4").tobytes()
        (self.scratch / "train-images-idx3-ubyte").write_bytes(header + images.tobytes())
        data = ["data.use=idx", f"data.source={self.scratch}", "data.size=32", "data.classes=0"]
        for mode in ("off", "auto"):
            runs = {}
            for name, times in (("straight", 1), ("resumed", 3)):
                where = self.scratch / f"{name}-{mode}"
                more = ["training.steps=6", "training.precision=bf16", f"training.compile={mode}", f"run.folder={where}"]
                more += ["training.checkpoint_every=100", "training.workers=0", f"training.device={self.device.type}"]
                for i in range(times):  # one that is out of time takes a step
                    until = time.monotonic() if i + 1 < times else None
                    train(METHODS[0], [*self.small(METHODS[0]), *data, *more], quiet=True, deep=False, until=until)
                newest, _ = checkpoints.newest(Store(str(where / folder.CHECKPOINTS)))
                runs[name] = checkpoints.load(newest, World(0, 1, torch.device("cpu")))[1]
            same = all(torch.equal(value, runs["resumed"][key]) for key, value in runs["straight"].items())
            said = "eager" if mode == "off" else "compiled"
            yield f"bf16, {said}: resumed against straight, {len(runs['straight'])} tensors", "equal" if same else "DIFFERENT"

    def speed(self) -> Rows:
        """Training of the CIFAR-10 recipe by batch, eager; at the best one other settings, and compiled."""
        flops = deep_check(recipes.load(METHODS[0], self.full(64))).flops / 64
        yield "operations per image, on average", f"{flops / 1e9:.1f} GFLOP"
        rates: dict[int, float] = {}
        for batch in (4,) if self.tiny else (64, 128, 256, 512):
            try:
                rates[batch], said = self.rate(batch, flops)
            except torch.OutOfMemoryError:
                yield f"bf16, eager, batch {batch}", "out of memory"
                break
            yield f"bf16, eager, batch {batch}", said
        self.best = max(rates, key=lambda b: rates[b])
        others = {
            "fp32 without TF32, eager": ["training.precision=fp32"],
            "bf16, eager, deterministic = false": ["training.deterministic=false"],
            "bf16, eager, activation_checkpointing": ["training.activation_checkpointing=true"],
            'bf16, eager, channels_last = "off"': ["training.channels_last=off"],
            "bf16, compiled": ["training.compile=auto"],
        }
        for what, more in others.items():
            if time.monotonic() > self.until:
                yield f"{what}, batch {self.best}", "no time left"
                continue
            verdicts: dict[str, Verdict] = {}
            try:
                with settings(self.device, "deterministic" not in what):
                    said = self.rate(self.best, flops, *more, verdicts=verdicts)[1]
            except torch.OutOfMemoryError:
                said = "out of memory"
            yield f"{what}, batch {self.best}", said
            for program, verdict in verdicts.items():
                yield f"program {program}", told(verdict)

    def rate(self, batch: int, flops: float, *more: str, verdicts: dict[str, Verdict] | None = None) -> tuple[float, str]:
        """(images per second, that with MFU, times and memory); R1 counts for one step of `EVERY`."""
        gc.collect()  # what the last one held
        overrides = self.full(batch, "training.precision=bf16", *more)
        bench = Bench(METHODS[0], overrides, self.device)
        images = bench.batch(batch)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for step in (0, 1, 2):
            bench.step(step, images)
        if verdicts is not None:
            verdicts.update(bench.programs.verdicts)
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
        usual, lazy = (bench.seconds(step, images, n) for step, n in ((1, 2 if self.tiny else 8), (0, 2 if self.tiny else 3)))
        images_per_second = batch / ((lazy + (EVERY - 1) * usual) / EVERY)
        said = f"{images_per_second:.4g} img/s, {1e3 * usual:.4g} ms, with R1 {1e3 * lazy:.4g} ms"
        if (most := peak(self.device, bench.recipe.training.precision, 1)) is not None:
            said += f", MFU {images_per_second * flops / most:.1%}"
        if self.device.type == "cuda":
            said += f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
        return images_per_second, said

    def sampling(self) -> Rows:
        """Four steps, a batch of 100."""
        batch = 4 if self.tiny else 100
        for precision in ("fp32", "bf16"):
            bench = Bench(METHODS[0], self.full(batch), self.device)
            sampler = build(bench.recipe.sampler, bench.facts, bench.assembly.parts, load_reference)
            watch = Stopwatch((batch,), 1 if self.tiny else 3, 3 if self.tiny else 20)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                found = watch.measure(bench.assembly.model, sampler, bench.facts)
            memory = found.get("peak_memory_mib", float("nan"))
            said = f"{found[f'ms_batch_{batch}']:.4g} ms, {found['evaluations']:.0f} evaluations, peak {memory:.0f} MiB"
            yield f"a batch of {batch}, {precision}", said

    def filters(self) -> Rows:
        """The filter of R1's way: a depthwise convolution, forward, backward and twice backward, beside average pooling."""
        shape = (2, 8, 16, 16) if self.tiny else (256, 128, 32, 32)
        repeats = 3 if self.tiny else 20
        for layout in (torch.contiguous_format, torch.channels_last):
            for name in ("filter", "mean of 2x2"):
                x = torch.randn(shape, device=self.device).contiguous(memory_format=layout).requires_grad_()
                k = fir.filter_for(x) if name == "filter" else None
                times = []
                for _ in range(repeats):
                    self.wait()
                    start = time.perf_counter()
                    out = fir.down2(x, k).square().sum()
                    (slope,) = torch.autograd.grad(out, x, create_graph=True)
                    torch.autograd.grad(slope.square().sum(), x)
                    self.wait()
                    times.append(time.perf_counter() - start)
                said = "channels-last" if layout == torch.channels_last else "contiguous"
                yield f"{name}, {'x'.join(map(str, shape))}, fp32, {said}", f"{1e3 * statistics.median(times):.3g} ms"

    def wait(self) -> None:
        """For the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def told(verdict: Verdict) -> str:
    """A verdict as a cell."""
    apart = "" if verdict.difference is None else f", apart by {verdict.difference:.1e}"
    return f"{'compiled' if verdict.compiled else 'eager: ' + verdict.reason}{apart}, {verdict.seconds:.0f} s"


ORDER = ("draws", "gradients", "wrapped", "filters", "sampling", "speed", "resume", "compiled")


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="networks for seconds on a CPU")
    parser.add_argument("--only", default=",".join(ORDER), help="sections, by commas: " + ", ".join(ORDER))
    parser.add_argument("--seconds", type=float, default=480, help="after these nothing long is begun")
    parser.add_argument("--trace", action="store_true", help="print the traceback of a section that fails")
    asked = parser.parse_args()
    started = time.monotonic()
    device = torch.device(asked.device, 0) if asked.device == "cuda" else torch.device("cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    cuda = f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if device.type == "cuda" else ""
    if asked.tiny:
        programs.BACKEND = "aot_eager"
        cuda += ", programs traced and not translated"
    print(f"{time.strftime('%Y-%m-%d')}, {name}, torch {torch.__version__}{cuda}, Python {platform.python_version()}\n")
    print("| section | what | found |\n|---|---|---|", flush=True)
    failed = False
    scratch = Path(tempfile.mkdtemp(prefix="gentool-gpu-"))
    try:
        with settings(device, True):
            for section in asked.only.split(","):
                begun = time.monotonic()
                if begun - started > asked.seconds:
                    print(f"| {section} | | no time left |", flush=True)
                    continue
                sections = Sections(device, asked.tiny, scratch, started + asked.seconds)
                rows: Callable[[], Rows] = getattr(sections, section)
                try:
                    for what, found in rows():
                        print(f"| {section} | {what} | {found} |", flush=True)
                        failed |= "DIFFERENT" in found
                except Exception as error:
                    failed = True
                    said = (str(error).strip() or "no reason given").splitlines()[0].replace("|", "\\|")
                    print(f"| {section} | | FAILED: {type(error).__name__}: {said} |", flush=True)
                    if asked.trace:
                        traceback.print_exc()
                print(f"| {section} | seconds | {time.monotonic() - begun:.0f} |", flush=True)
                if device.type == "cuda":
                    torch.cuda.empty_cache()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
