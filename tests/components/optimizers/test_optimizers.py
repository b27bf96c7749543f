"""Optimizers equal torch's own in their plain form, whatever the memory layout of gradients and states."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gentoolkit.components.optimizers.adam import Adam, AdamW
from gentoolkit.components.optimizers.lr_schedules import Constant
from gentoolkit.components.optimizers.sgd import SGD
from gentoolkit.registry import Facts

PLAIN = {"lr_schedule": Constant()}
CASES = [
    (Adam(lr=1e-2, betas=(0.5, 0.9), weight_decay=0.1, **PLAIN), torch.optim.Adam, {"betas": (0.5, 0.9), "weight_decay": 0.1}),
    (AdamW(lr=1e-2, eps=1e-3, **PLAIN), torch.optim.AdamW, {"eps": 1e-3, "weight_decay": 0.01}),
    (SGD(lr=1e-2, **PLAIN), torch.optim.SGD, {}),
    (SGD(lr=1e-2, momentum=0.9, nesterov=True, **PLAIN), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (SGD(lr=1e-2, momentum=0.9, weight_decay=0.1, **PLAIN), torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
]


def net(layout=torch.contiguous_format):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3)).double().to(memory_format=layout)


def trained(model, optimizer, steps=4, grad_layout=torch.contiguous_format):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for p in model.parameters():
            grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
            p.grad = grad.contiguous(memory_format=grad_layout) if p.ndim == 4 else grad
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(("config", "plain", "options"), CASES)
@pytest.mark.parametrize("named", [False, True])
def test_it_is_torchs_optimizer(config, plain, options, named):
    ours, theirs = net(), net()
    parameters = ours.named_parameters() if named else ours.parameters()
    optimizer = config.build(Facts(), {})(parameters)
    assert isinstance(optimizer, plain)
    reference = plain(theirs.parameters(), lr=1e-2, foreach=False, **options)
    assert torch.allclose(trained(ours, optimizer), trained(theirs, reference), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("config", "plain", "options"), CASES[:1] + CASES[3:4])
@pytest.mark.parametrize(
    "layouts", [(torch.channels_last, torch.contiguous_format), (torch.contiguous_format, torch.channels_last)]
)
def test_memory_layout_does_not_matter(config, plain, options, layouts):
    ours, theirs = net(layouts[0]), net(layouts[0])
    optimizer = config.build(Facts(), {})(ours.parameters())
    reference = plain(theirs.parameters(), lr=1e-2, foreach=False, **options)
    trained(ours, optimizer), trained(theirs, reference)
    for state in optimizer.state.values():  # as a checkpoint may bring them back
        state.update({k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items() if torch.is_tensor(v)})
    after = trained(ours, optimizer, grad_layout=layouts[1]), trained(theirs, reference, grad_layout=layouts[1])
    assert torch.allclose(*after, rtol=0, atol=1e-13)


def test_the_reason_for_laying_out_alike_still_stands():
    """torch's fused kernels ignore strides; should this fail, `lay_out_alike` can go."""
    wrong, right = net(), net()
    layout = torch.channels_last
    fused = trained(wrong, torch.optim.Adam(wrong.parameters(), lr=1e-2, fused=True), grad_layout=layout)
    plain = trained(right, torch.optim.Adam(right.parameters(), lr=1e-2, foreach=False), grad_layout=layout)
    assert not torch.allclose(fused, plain, atol=1e-3)


def test_devices_without_fused_kernels_get_foreach():
    optimizer = Adam(**PLAIN).build(Facts(), {})(nn.Linear(2, 2, device="meta").parameters())
    assert optimizer.defaults["foreach"] is True
    assert not optimizer.defaults["fused"]


def test_nesterov_without_momentum_is_refused():
    assert [c[0] for c in SGD(nesterov=True, **PLAIN).check(Facts())] == ["nesterov"]
    assert not list(SGD(nesterov=True, momentum=0.5, **PLAIN).check(Facts()))
