"""What known GPUs can do at most: dense matrix products per second, by the arithmetic that a precision uses.

From NVIDIA's data sheets, without structured sparsity; bf16 with fp32 accumulation. A device that is not in the table has no
known peak, and then no share of it is reported rather than a wrong one.
"""

from __future__ import annotations

import re
from typing import Any

import torch

TERA = 1e12

GPUS: tuple[tuple[str, dict[str, float]], ...] = (
    (r"NVIDIA H200", {"bf16": 989.4, "tf32": 494.7, "fp32": 66.9}),  # H200 data sheet: SXM
    (r"NVIDIA H100 80GB HBM3", {"bf16": 989.4, "tf32": 494.7, "fp32": 66.9}),  # H100 data sheet: SXM5
    (r"NVIDIA H100 PCIe", {"bf16": 756.5, "tf32": 378.0, "fp32": 51.2}),  # H100 data sheet: PCIe
    (r"(NVIDIA )?A100(-[^ ]+| 80GB PCIe)", {"bf16": 312.0, "tf32": 156.0, "fp32": 19.5}),  # A100 data sheet
    (r"NVIDIA A40", {"bf16": 149.7, "tf32": 74.8, "fp32": 37.4}),  # A40 data sheet
    (r"NVIDIA RTX A6000", {"bf16": 154.8, "tf32": 77.4, "fp32": 38.7}),  # RTX A6000 data sheet
    (r"NVIDIA A10", {"bf16": 125.0, "tf32": 62.5, "fp32": 31.2}),  # A10 data sheet
    (r"NVIDIA L40S", {"bf16": 362.0, "tf32": 183.0, "fp32": 91.6}),  # L40S data sheet
    (r"NVIDIA L4", {"bf16": 121.0, "tf32": 60.0, "fp32": 30.3}),  # L4 data sheet
    (r"NVIDIA GeForce RTX 4090", {"bf16": 165.2, "tf32": 82.6, "fp32": 82.6}),  # Ada GPU architecture, table 2
    (r"NVIDIA GeForce RTX 3090", {"bf16": 71.0, "tf32": 35.6, "fp32": 35.6}),  # Ampere GA102 architecture, table 9
    (r"Tesla V100-SXM2-[^ ]+", {"fp32": 15.7}),  # V100 data sheet
    (r"Tesla T4", {"fp32": 8.1}),  # T4 data sheet
)
"""(a pattern for the whole name that torch gives, 10^12 operations per second by arithmetic); a MIG part is named otherwise."""


def arithmetic(precision: str) -> str:
    """What matrix products of a run's precision are computed in on CUDA: fp32 is tf32 where torch may use it, as it may in
    convolutions unless told otherwise."""
    return "tf32" if precision == "fp32" and _tf32() else precision


def _tf32() -> bool:
    cuda: Any = torch.backends
    return "tf32" in (cuda.cudnn.conv.fp32_precision, cuda.cuda.matmul.fp32_precision)


def peak_of(name: str, kind: str) -> float | None:
    """Operations per second of the GPU that torch calls `name`, in `bf16`, `tf32` or `fp32`; None where unknown."""
    for pattern, peaks in GPUS:
        if re.fullmatch(pattern, name):
            found = peaks.get(kind, peaks.get("fp32") if kind == "tf32" else None)  # older ones have no tf32
            return None if found is None else found * TERA
    return None


def peak(device: torch.device, precision: str, devices: int = 1) -> float | None:
    """Operations per second of so many such devices in a run's precision at most; None where unknown, as on a CPU."""
    found = peak_of(torch.cuda.get_device_name(device), arithmetic(precision)) if device.type == "cuda" else None
    return None if found is None else found * devices
