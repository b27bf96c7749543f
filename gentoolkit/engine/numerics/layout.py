"""How nets lie in memory, and what they keep of a forward pass."""

from __future__ import annotations

import torch

from gentoolkit.components.methods import Plan
from gentoolkit.recipe.tree import Training

from ..processes.blocks import recompute


def prepare(plan: Plan, training: Training, device: torch.device) -> None:
    """Lay out the nets of a plan as the recipe asks, in place; to be done before they are wrapped or copied.

    Convolutions follow the layout of their weights, so channels-last weights make channels-last activations.
    """
    for net in plan.nets:
        if channels_last(training, device):
            net.module.to(memory_format=torch.channels_last)
        if training.activation_checkpointing:
            recompute(net.module)


def channels_last(training: Training, device: torch.device) -> bool:
    """Whether weights of convolutions lie channels-last: under `auto` on CUDA, whose kernels for bf16 and fp32 want it."""
    return training.channels_last == "on" or (training.channels_last == "auto" and device.type == "cuda")
