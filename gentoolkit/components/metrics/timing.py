"""Timing of a sampler; what is measured is said in `speed.py`."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from gentoolkit.components.model import Condition, StepModel
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts


class Stopwatch:
    """Times draws of whole batches, from noise to x_0."""

    def __init__(self, batches: tuple[int, ...], warmup: int, repeats: int) -> None:
        self.batches, self.warmup, self.repeats = batches, warmup, repeats
        self.protocol = "speed/not-measured"

    def measure(self, model: StepModel, sampler: Any, facts: Facts) -> dict[str, float]:
        """`evaluations`; `ms_batch_N` with quartiles `_q1` and `_q3`; `parameters`; `peak_memory_mib`, of the device, or of
        the whole process where that is the CPU."""
        first = next(model.parameters())
        device, dtype = first.device, first.dtype
        training = model.training
        model.eval()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        values: dict[str, float] = {"parameters": sum(p.numel() for p in model.parameters())}
        try:
            for batch in self.batches:
                times = []
                for i in range(self.warmup + self.repeats):
                    rng = Draw(("speed", batch, i), 0, batch, device, dtype)
                    seconds, values["evaluations"] = timed_draw(model, sampler, rng, facts)
                    times.append(1e3 * seconds)
                q1, median, q3 = torch.tensor(times[self.warmup :]).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
                values |= {f"ms_batch_{batch}": median, f"ms_batch_{batch}_q1": q1, f"ms_batch_{batch}_q3": q3}
        finally:
            model.train(training)
        if (memory := peak_memory(device)) is not None:
            values["peak_memory_mib"] = memory
        sizes = "+".join(map(str, self.batches))
        self.protocol = f"speed/{describe(device)}/{str(dtype)[6:]}/batch-{sizes}/median-of-{self.repeats}"
        return values


@torch.no_grad()
def timed_draw(model: StepModel, sampler: Any, rng: Draw, facts: Facts) -> tuple[float, int]:
    """(seconds, evaluations of the network) of one draw of a sample for every slot of `rng`."""
    condition = some_condition(facts, rng)
    wait(rng.device)
    start = time.perf_counter()
    state = sampler.start(model, facts.shape, rng, condition)
    while state.t > 0:
        state = sampler.step(model, state, rng, condition)
    wait(rng.device)
    return time.perf_counter() - start, int(state.evaluations)


def some_condition(facts: Facts, rng: Draw) -> Condition:
    """Classes in turn and extra tensors of zeros, where the networks are conditioned on them."""
    batch = len(rng)
    y = None if facts.classes is None else torch.arange(batch, device=rng.device) % facts.classes
    tensors = {k: torch.zeros(batch, *s, device=rng.device, dtype=rng.dtype) for k, s in facts.tensors.items()}
    return Condition(y=y, tensors=tensors)


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> float | None:
    """MiB: of the device since the measurement began, or of this process in its whole life; None where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def describe(device: torch.device) -> str:
    """The device's name; of a CPU the model and the number of threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device).replace(" ", "-")
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{'-'.join(name.split())}-{torch.get_num_threads()}-threads".replace("/", "-")
