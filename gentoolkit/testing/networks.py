"""Networks: denoisers, encoders, discriminators.

denoiser(x_t, level, condition) -> raw        encoder(seen, x_t, level, condition) -> Gaussian over z
discriminator(x_prev, x_t, level, condition) -> logits [B] or [B, K]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Gaussian, GaussianForward, sum_per_sample
from gentoolkit.engine.processes.blocks import blocks_of
from gentoolkit.registry import Facts

from .suite import Case, Suite, fit
from .tiny import tiny_condition, tiny_draw, tiny_facts

B = 5
SHAPES: dict[str, list[tuple[int, ...]]] = {"points": [(2,), (5,)], "image": [(1, 8, 8), (3, 8, 12), (2, 7, 9)]}
LARGER: tuple[tuple[int, ...], ...] = ((3, 16, 16), (3, 32, 32), (3, 64, 64), (3, 128, 128), (3, 256, 256))


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Every kind of data that it declares, plain and with all conditions it takes; odd and oblong sizes where legal."""
    for kind in config.kinds:
        bare: dict[str, Any] = {"latent": 3} if config.slot == "encoder" else {}
        shapes = [s for s in SHAPES[kind] if _fits(config, kind, s, bare)]
        if kind == "image" and not shapes:
            shapes = [s for s in LARGER if _fits(config, kind, s, bare)][:1]
        full = dict(bare)
        if getattr(config, "takes_latent", False):
            full["latent"] = 3
        if config.takes_class:
            full["classes"] = 4
        for i, shape in enumerate(shapes):
            size = "x".join(map(str, shape))
            if i == 0 and full != bare:
                yield f"{kind} {size}", tiny_facts(kind, shape, **bare)
            extra: dict[str, Any] = {"raw_channels": 2 * shape[0]} if config.slot == "denoiser" and i == 1 else {}
            yield f"{kind} {size} {' '.join(full)}".strip(), tiny_facts(kind, shape, **full, **extra)


def _fits(config: Any, kind: str, shape: tuple[int, ...], more: dict[str, Any]) -> bool:
    return fit(config, tiny_facts(kind, shape, **more))


def inputs(case: Case, n: int = B, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Any]:
    """The arguments of `forward` for n samples, at every step in turn."""
    facts, process = case.facts, GaussianForward(VP().build(case.facts, {}).grid(case.facts.steps))
    level = process.level(torch.arange(seed, seed + n) % facts.steps + 1, dtype)
    x_t = tiny_draw(facts, n, "x_t", facts.shape, dtype, seed)
    condition = tiny_condition(facts, n, dtype, w=case.config.slot == "denoiser", seed=seed)
    first = [] if case.config.slot == "denoiser" else [tiny_draw(facts, n, "first", facts.shape, dtype, seed)]
    return [*first, x_t, level, condition]


def network(case: Case, dtype: torch.dtype = torch.float64, seed: int = 0, stirred: bool = True) -> nn.Module:
    """The built network in eval mode; `stirred` adds noise to its weights, so that none that starts at zero hides what lies
    behind."""
    made: nn.Module = case.build(seed=seed)
    made = made.to(dtype).eval()
    if stirred:
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in made.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=noise, dtype=torch.float64).to(dtype))
    return made


def outputs(network: nn.Module, args: list[Any]) -> list[Tensor]:
    """What it puts out, as tensors."""
    out = network(*args)
    return [out.mean, out.variance] if isinstance(out, Gaussian) else [out]


def mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """`value` with every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list):
        return [mapped(change, v) for v in value]
    if isinstance(value, dict):
        return {k: mapped(change, v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: mapped(change, getattr(value, f.name)) for f in fields(value)})
    return value


def same(one: list[Tensor], other: list[Tensor], tolerance: float = 1e-9) -> bool:
    """Whether two lists of tensors are equal to rounding."""
    return all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in zip(one, other, strict=True))


def weighted(out: list[Tensor]) -> Tensor:
    """A scalar that depends on every number of the output, each with a weight of its own."""
    return torch.stack([(o * torch.linspace(0.5, 1.5, o.numel(), dtype=o.dtype).view_as(o)).sum() for o in out]).sum()


def shapes_and_dtypes_are_as_promised(case: Case) -> None:
    """raw `[B, raw_channels, ...]`, a Gaussian over `[B, dim]`, logits `[B]` or `[B, K]`; finite; in the dtype of x_t."""
    facts = case.facts
    for dtype in (torch.float32, torch.float64):
        for out in outputs(network(case, dtype), inputs(case, dtype=dtype)):
            if case.config.slot == "denoiser":
                assert out.shape == (B, facts.raw_channels, *facts.shape[1:])
            elif case.config.slot == "encoder":
                assert out.shape == (B, facts.latent)
            else:
                assert out.shape[0] == B
                assert out.dim() in (1, 2)
            assert out.dtype == dtype
            assert bool(out.isfinite().all())
    if case.config.slot == "encoder":
        assert bool((outputs(network(case), inputs(case))[1] > 0).all()), "a variance is not positive"


@torch.no_grad()
def float64_agrees_with_float32(case: Case) -> None:
    """The same network at the same place, in both precisions."""
    double, single = (
        outputs(network(case), inputs(case)),
        outputs(network(case, torch.float32), inputs(case, dtype=torch.float32)),
    )
    for a, b in zip(double, single, strict=True):
        assert torch.allclose(a, b.double(), rtol=1e-3, atol=1e-3 * float(a.abs().max()))


def gradients_reach_every_parameter(case: Case) -> None:
    """Under all conditions that it declares, no weight is idle."""
    net = network(case)
    weighted(outputs(net, inputs(case))).backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, f"no gradient reaches {name}"
        assert bool(p.grad.isfinite().all()), f"the gradient of {name} is not finite"
        assert bool((p.grad != 0).any()), f"the gradient of {name} is zero"


def everything_it_is_given_matters(case: Case) -> None:
    """x, the level, the latent and the class each change what it puts out, in every sample."""
    net, args = network(case), inputs(case)
    before, level, condition = outputs(net, args), args[-2], args[-1]
    other = inputs(case, seed=1)
    changed: dict[str, list[Any]] = {f"argument {i}": [*args[:i], other[i], *args[i + 1 :]] for i in range(len(args) - 1)}
    for name in ("w", "y"):
        if getattr(condition, name) is not None:
            changed[name] = [*args[:-1], replace(condition, **{name: getattr(other[-1], name)})]
    assert bool((level.time != other[-2].time).all())
    for name, arguments in changed.items():
        moved = sum(sum_per_sample((a - b).abs().reshape(B, -1)) for a, b in zip(before, outputs(net, arguments), strict=True))
        assert bool((torch.as_tensor(moved) > 0).all()), f"{name} does not matter in some sample"


def a_hidden_label_is_a_class_of_its_own(case: Case) -> None:
    """y = classes stands for no label (label dropout), and is told apart from every class."""
    classes = case.facts.classes
    if classes is None:
        return
    net, args = network(case), mapped(lambda v: v[:1].expand(classes + 1, *v.shape[1:]), inputs(case))
    y = torch.arange(classes + 1)
    out = outputs(net, [*args[:-1], replace(args[-1], y=y)])
    rows = torch.cat([o.reshape(len(y), -1) for o in out], dim=1)
    assert bool((torch.cdist(rows, rows) + torch.eye(len(y)) > 0).all())


def samples_do_not_leak_into_each_other(case: Case) -> None:
    """Row i of the output is a function of row i: whatever the other rows are, wherever it stands, and alone. A network
    that means to mix them (minibatch deviation) says so with `mixes_samples = True`."""
    if getattr(case.config, "mixes_samples", False):
        return
    net, args = network(case).train(), inputs(case)
    if not same(outputs(net, args), outputs(net, args)):
        net.eval()  # it drops features at random
    whole = outputs(net, args)
    strange = [mapped(lambda v: v.clone(), a) for a in inputs(case, seed=2)]
    mixed = _joined(args, strange)
    assert same([o[:1] for o in whole], [o[:1] for o in outputs(net, mixed)]), "another row was changed, and row 0 with it"
    order = torch.tensor([3, 0, 4, 1, 2])
    assert same([o[order] for o in whole], outputs(net, mapped(lambda v: v[order], args))), "the order of samples matters"
    assert same([o[2:3] for o in whole], outputs(net, mapped(lambda v: v[2:3], args))), "a sample alone has another output"


def _joined(args: list[Any], other: list[Any]) -> list[Any]:
    flat: list[Tensor] = []
    mapped(lambda v: flat.append(v) or v, other)  # type: ignore[func-returns-value]
    rest = iter(flat)
    return mapped(lambda v: torch.cat([v[:1], next(rest)[1:]]), args)  # type: ignore[no-any-return]


def inputs_are_left_alone(case: Case) -> None:
    """Forward and backward change no argument."""
    args = inputs(case)
    before: list[Tensor] = []
    mapped(lambda v: before.append(v.clone()) or v, args)  # type: ignore[func-returns-value]
    weighted(outputs(network(case), args)).backward()
    after: list[Tensor] = []
    mapped(lambda v: after.append(v) or v, args)  # type: ignore[func-returns-value]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def memory_layout_does_not_matter(case: Case) -> None:
    """channels_last images and strided points give the same numbers."""
    net, args = network(case), inputs(case)

    def relaid(v: Tensor) -> Tensor:
        if v.dim() == 4:
            return v.contiguous(memory_format=torch.channels_last)
        return v.t().contiguous().t() if v.dim() == 2 else v

    assert same(outputs(net, args), outputs(net, mapped(relaid, args)))


def weights_follow_from_the_seed(case: Case) -> None:
    """Built twice under a seed it is the same network, and in eval mode the same function each time."""
    one, two, other = (network(case, seed=s, stirred=False) for s in (0, 0, 1))
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), f"{name} does not follow from the seed"
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    first = outputs(one, inputs(case))
    assert all(torch.equal(a, b) for a, b in zip(first, outputs(one, inputs(case)), strict=True))
    assert same(first, outputs(two, inputs(case)))


def its_state_dict_is_all_there_is(case: Case) -> None:
    """Another network of the kind becomes the same function by loading its state."""
    one, two = network(case), network(case, seed=1)
    assert not same(outputs(one, inputs(case)), outputs(two, inputs(case)))
    two.load_state_dict({k: v.clone() for k, v in one.state_dict().items()}, strict=True)
    assert same(outputs(one, inputs(case)), outputs(two, inputs(case)))


def it_can_be_built_without_memory(case: Case) -> None:
    """On the meta device everything it holds is meta and shapes come out as they do elsewhere; given memory and a state, it is
    the network that the state is of."""
    with torch.device("meta"):
        ghost = case.build().double().eval()
    held = {**dict(ghost.named_parameters()), **dict(ghost.named_buffers())}
    strays = [name for name, v in held.items() if v.device.type != "meta"]
    assert not strays, f"{strays} are made on a device of their own choice"
    real = network(case)
    expected = outputs(real, inputs(case))
    assert [o.shape for o in outputs(ghost, mapped(lambda v: v.to("meta"), inputs(case)))] == [o.shape for o in expected]
    ghost.to_empty(device="cpu").load_state_dict(real.state_dict(), strict=True)
    assert same(expected, outputs(ghost, inputs(case))), "something it needs is neither a parameter nor in its state"


def its_gradient_has_a_gradient(case: Case) -> None:
    """The gradient of ‖∂D/∂x_prev‖² with respect to the weights is that of finite differences."""
    if case.config.slot != "discriminator":
        return
    net, args = network(case), inputs(case)
    weights = [p for p in net.parameters() if p.requires_grad]
    noise = torch.Generator().manual_seed(3)
    direction = [torch.randn(p.shape, generator=noise, dtype=p.dtype) for p in weights]

    def penalty() -> Tensor:
        x = args[0].clone().requires_grad_()
        (g,) = torch.autograd.grad(net(x, *args[1:]).sum(), x, create_graph=True)
        square: Tensor = g.square().sum()
        return square

    def moved(by: float) -> Tensor:
        with torch.no_grad():
            for p, d in zip(weights, direction, strict=True):
                p.add_(by * d)
        return penalty().detach()

    found = torch.autograd.grad(penalty(), weights, allow_unused=True)
    slope = torch.stack([(g * d).sum() for g, d in zip(found, direction, strict=True) if g is not None]).sum()
    h = 1e-8  # so small that no kink of a leaky ReLU is likely to lie on the way
    expected = (moved(h) - moved(-2 * h)) / (2 * h)
    assert bool(slope.isfinite())
    assert float(slope) != 0
    assert abs(float(slope - expected)) <= 1e-3 * abs(float(expected)) + 1e-6


def its_blocks_have_their_weights_while_they_are_called(case: Case) -> None:
    """What it names as `blocks` are modules of its own that are called, and their weights are used there alone: so it can be
    cut into shards."""
    net, args = network(case), inputs(case)
    expected, blocks = outputs(net, args), blocks_of(net)
    mine = set(map(id, net.modules()))
    idle = {id(block): type(block).__name__ for block in blocks}

    def gather(block: nn.Module, _: Any) -> None:
        idle.pop(id(block), None)
        for weight, value in kept[id(block)]:
            weight.data.copy_(value)

    def free(block: nn.Module, *_: Any) -> None:
        for weight, _value in kept[id(block)]:
            weight.data.fill_(torch.nan)

    kept = {id(block): [(p, p.detach().clone()) for p in block.parameters()] for block in blocks}
    for block in blocks:
        assert id(block) in mine, f"the block {type(block).__name__} is no module of the network"
        block.register_forward_pre_hook(gather)
        block.register_forward_hook(free)
        free(block)
    found = outputs(net, args)
    assert not idle, f"these blocks are never called: {sorted(set(idle.values()))}"
    assert same(expected, found), "the weights of a block are used outside of it"


NETWORKS = Suite(
    "networks",
    cases,
    (
        shapes_and_dtypes_are_as_promised,
        float64_agrees_with_float32,
        gradients_reach_every_parameter,
        everything_it_is_given_matters,
        a_hidden_label_is_a_class_of_its_own,
        samples_do_not_leak_into_each_other,
        inputs_are_left_alone,
        memory_layout_does_not_matter,
        weights_follow_from_the_seed,
        its_state_dict_is_all_there_is,
        it_can_be_built_without_memory,
        its_gradient_has_a_gradient,
        its_blocks_have_their_weights_while_they_are_called,
    ),
)
