"""How processes share a training, as `training.parallel` says it: none, ddp, fsdp, hsdp:RxS, or auto."""

from __future__ import annotations

import re

from attrs import frozen

KINDS = ("auto", "none", "ddp", "fsdp", "hsdp:RxS")
_HSDP = re.compile(r"hsdp:([1-9]\d{0,6})x([1-9]\d{0,6})\Z")


@frozen
class Parallelism:
    """`replicas` groups of processes, in each of which weights, averages and optimizer states lie in `shards` parts."""

    kind: str
    """`none`, `ddp`, `fsdp` or `hsdp`."""
    replicas: int = 1
    shards: int = 1
    why: str = ""
    """Why it was chosen, where that was not asked for."""

    def __str__(self) -> str:
        if self.kind == "hsdp":
            return f"{self.processes} processes in {self.replicas} replicas of {self.shards} shards (hsdp)"
        if self.kind == "fsdp":
            return f"{self.processes} processes with the weights in {self.shards} shards (fsdp)"
        return f"{self.processes} processes with all weights each (ddp)" if self.kind == "ddp" else "one process"

    @property
    def processes(self) -> int:
        """How many there must be."""
        return self.replicas * self.shards

    @property
    def sharded(self) -> bool:
        """Whether each process holds a part of every weight alone."""
        return self.kind in ("fsdp", "hsdp")


def parallelism(said: str, processes: int) -> Parallelism:
    """What `said` means for a number of processes; one process needs nothing, whatever was said of more.

    Raises:
        ValueError: it means nothing, or not for so many; (a sentence, what to write instead).
    """
    hsdp = _HSDP.match(said)
    if hsdp is None and said not in KINDS[:-1]:
        known = ", ".join(f"'{kind}'" for kind in KINDS)
        raise ValueError(f"'{said}' is none of {known} (R replicas of S shards each)", "")
    if hsdp is not None:
        found = Parallelism("hsdp", int(hsdp[1]), int(hsdp[2]))
        if processes > 1 and found.processes != processes:
            legal = [f'"hsdp:{r}x{processes // r}"' for r in range(2, processes) if processes % r == 0]
            instead = "parallel = " + " or ".join([*legal[:4], '"fsdp"'])
            what = f"{found.replicas} replicas of {found.shards} shards are {found.processes} processes"
            raise ValueError(f"{what}, but the run has {processes}", instead)
        return found if processes > 1 else Parallelism("none")
    if processes == 1:
        return Parallelism("none")
    if said == "none":
        hint = 'parallel = "auto", "ddp" or "fsdp"'
        raise ValueError(f"{processes} processes that share no gradients would train {processes} different models", hint)
    return Parallelism("fsdp", 1, processes) if said == "fsdp" else Parallelism("ddp", processes)
