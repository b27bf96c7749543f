"""The deep check's report in words."""

from __future__ import annotations

from .deep import DeepReport

MIB, GIB = 2**20, 2**30


def text(report: DeepReport) -> str:
    """What `gentool check --deep` prints."""
    lines = list(report.plan)
    lines.append("compute, forward and backward over the global batch, matrix products and convolutions alone")
    width = max(len(_what(c.update, c.terms)) for c in report.costs)
    for cost in report.costs:
        often = "" if cost.share == 1 else f"   in {cost.share:.3g} of the steps"
        lines.append(f"  {_what(cost.update, cost.terms):<{width}}  {_flops(cost.flops)}{often}")
    lines.append(f"  {'a step on average':<{width}}  {_flops(report.flops)},  {_flops(report.flops * report.steps)} in all")
    shared = f", {report.parallel}" if report.parallel else ""
    lines.append(f"memory per device, estimated for {report.batch} samples at once in {report.precision}{shared}")
    rows = [
        ("parameters and buffers", report.weights),
        ("averages of weights", report.averages),
        ("optimizer states", report.optimizers),
        ("gradients and activations, at their peak", report.working),
        *([("weights out of their shards at that time", report.peak.gathered)] if report.peak.gathered else []),
        ("together, without the libraries' own", report.memory),
    ]
    lines += [f"  {name:<42}  {_bytes(size)}" for name, size in rows]
    lines.append(f"  the peak is in {_what(report.peak.update, report.peak.terms)}")
    for part, more in report.more:
        lines += [part, *(f"  {line}" for line in more)]
    for name in report.idle:
        lines.append(f"note: no loss reaches {name}; training on several processes would fail")
    lines.append(f"checked in {report.seconds:.1f} s; nothing was opened and nothing was computed")
    return "\n".join(lines)


def _what(update: str, terms: tuple[str, ...]) -> str:
    return f"{update}: {' + '.join(terms)}"


def _flops(count: float) -> str:
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e6:.3g} MFLOP"


def _bytes(size: int) -> str:
    return f"{size / GIB:8.2f} GiB" if size >= GIB else f"{size / MIB:8.2f} MiB"
