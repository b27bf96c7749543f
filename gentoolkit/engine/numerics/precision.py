"""The arithmetic of a run: what a loss computes in, and what CUDA may do on its own account.

fp32 means fp32: no TF32, whose products have three digits. With `deterministic`, the same operations give the same bits each
time, which resuming bit for bit needs: CUDA otherwise adds in the order in which threads arrive, and picks kernels by timing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from gentoolkit.components.methods import Update


@contextmanager
def arithmetic(update: Update, active: frozenset[str], precision: str, device: torch.device) -> Iterator[None]:
    """What a loss is computed in: autocast under bf16, and attention written out where a term is of second order, since fused
    attention has no second derivative."""
    with ExitStack() as stack:
        if precision == "bf16":
            stack.enter_context(torch.autocast(device.type, torch.bfloat16))
        if any(term.second_order for term in update.terms if term.name in active):
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


@contextmanager
def settings(device: torch.device, deterministic: bool) -> Iterator[None]:
    """CUDA's global switches as a run needs them, while the block runs; on a CPU there is nothing to set."""
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic)
    algorithms = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    cudnn.benchmark, cudnn.deterministic = not deterministic, deterministic
    # What has no deterministic form is used all the same: torch says so, once.
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, cudnn.deterministic = before
        torch.use_deterministic_algorithms(algorithms[0], warn_only=algorithms[1])
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
