"""DDGAN's two networks written down operation by operation, under the names of the released files: slow, and nothing shared
with the toolkit's own. What its networks are measured and tested against.

weights = Weights(seed=0)
x_0 = generator(weights, x_t, t, z, width=128, mults=(1, 2, 2, 2), ...)      # makes its weights when it first needs them

The filter is applied as published: zeros between the pixels, padding, a one-channel convolution over images of N * C, and
every second pixel of the result.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, leaky_relu, linear, pad, silu, softplus

PREFIX = "module."


class Weights:
    """Tensors by released name, each drawn when it is first asked for: about unit gain, no layer starts at zero."""

    def __init__(self, seed: int) -> None:
        self.made: dict[str, Tensor] = {}
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, name: str, *shape: int) -> Tensor:
        """The tensor of that name."""
        if name not in self.made:
            fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
            drawn = torch.randn(shape, generator=self.generator) / math.sqrt(fan_in)
            self.made[name] = drawn.requires_grad_()
        return self.made[name]

    def layer(self, name: str, *shape: int) -> tuple[Tensor, Tensor]:
        """Weight and bias."""
        return self(f"{name}.weight", *shape), self(f"{name}.bias", shape[0])

    def file(self, what: str = "data") -> dict[str, Tensor]:
        """The state dict of a released file; or, of the same names, the gradients (`grad`)."""
        return {PREFIX + name: getattr(w, what).detach().clone() for name, w in self.made.items()}


def sinusoids(t: Tensor, features: int) -> Tensor:
    """[sin, cos] of t at frequencies from 1 to 1e-4."""
    half = features // 2
    f = torch.exp(torch.arange(half) * (-math.log(10_000) / (half - 1)))
    angle = t.to(f.dtype)[:, None] * f[None]
    return torch.cat([angle.sin(), angle.cos()], 1)


def filtered(x: Tensor, up: int, down: int, before: int, after: int) -> Tensor:
    """The FIR filter [1, 3, 3, 1] on both axes, as published."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    k = torch.outer(row, row) / 64 * up**2
    b, c, h, w = x.shape
    x = pad(x.reshape(b * c, 1, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(b * c, 1, h * up, w * up)
    x = conv2d(pad(x, (before, after, before, after)), k[None, None])[:, :, ::down, ::down]
    return x.reshape(b, c, x.shape[2], x.shape[3])


def attend(p: Weights, name: str, h: Tensor) -> Tensor:
    """Self-attention over pixels."""
    c = h.shape[1]
    n = group_norm(h, min(c // 4, 32), *p.layer(f"{name}.GroupNorm_0", c), eps=1e-6)

    def nin(i: int, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1) @ p(f"{name}.NIN_{i}.W", c, c) + p(f"{name}.NIN_{i}.b", c)
        return y.permute(0, 3, 1, 2)

    q, k, v = (nin(i, n) for i in range(3))
    b, _, height, width = h.shape
    w = torch.einsum("bchw,bcij->bhwij", q, k) * c**-0.5
    w = w.reshape(b, height, width, height * width).softmax(-1).reshape(b, height, width, height, width)
    return (h + nin(3, torch.einsum("bhwij,bcij->bchw", w, v))) / math.sqrt(2)


def generator(
    p: Weights,
    x: Tensor,
    t: Tensor,
    z: Tensor,
    *,
    width: int,
    mults: tuple[int, ...],
    blocks: int,
    attention: tuple[int, ...],
    zemb: int,
    linears: int,
    pyramid: str = "residual",
    output_skip: bool = False,
    fir: bool = True,
) -> Tensor:
    """x_0 [B, C, H, W] in (-1, 1); `t` counts from 0, `attention` names levels, `linears` is n_mlp + 1."""
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(linears):
        w = silu(linear(w, *p.layer(f"z_transform.{2 * i + 1}", zemb, w.shape[1])))
    e = linear(sinusoids(t, width), *p.layer("all_modules.0", 4 * width, width))
    e = linear(silu(e), *p.layer("all_modules.1", 4 * width, 4 * width))
    image, at = x.shape[1], iter(range(2, 10_000))

    def name() -> str:
        return f"all_modules.{next(at)}"

    def up(h: Tensor) -> Tensor:
        return filtered(h, 2, 1, 2, 1) if fir else h.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def down(h: Tensor) -> Tensor:
        return filtered(h, 1, 2, 1, 1) if fir else h.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))

    def norm(n: str, h: Tensor) -> Tensor:
        c = h.shape[1]
        gamma, beta = linear(w, *p.layer(f"{n}.style", 2 * c, zemb))[:, :, None, None].chunk(2, 1)
        return gamma * group_norm(h, min(c // 4, 32), eps=1e-6) + beta

    def block(h: Tensor, out: int, change: str = "") -> Tensor:
        n, c = name(), h.shape[1]
        r = silu(norm(f"{n}.GroupNorm_0", h))
        if change:
            r, h = (up(r), up(h)) if change == "up" else (down(r), down(h))
        r = conv2d(r, *p.layer(f"{n}.Conv_0", out, c, 3, 3), padding=1)
        r = r + linear(silu(e), *p.layer(f"{n}.Dense_0", out, 4 * width))[:, :, None, None]
        r = conv2d(silu(norm(f"{n}.GroupNorm_1", r)), *p.layer(f"{n}.Conv_1", out, out, 3, 3), padding=1)
        if c != out or change:
            h = conv2d(h, *p.layer(f"{n}.Conv_2", out, c, 1, 1))
        return (h + r) / math.sqrt(2)

    def read(h: Tensor) -> Tensor:
        c = h.shape[1]
        h = silu(group_norm(h, min(c // 4, 32), *p.layer(name(), c), eps=1e-6))
        return conv2d(h, *p.layer(name(), image, c, 3, 3), padding=1)

    hs, seen = [conv2d(x, *p.layer(name(), width, image, 3, 3), padding=1)], x
    for k, m in enumerate(mults):
        for _ in range(blocks):
            h = block(hs[-1], m * width)
            hs.append(attend(p, name(), h) if k in attention else h)
        if k + 1 < len(mults):
            h = block(hs[-1], m * width, "down")
            if pyramid == "residual":
                seen = filtered(seen, 1, 1, 2, 2) if fir else pad(seen, (0, 1, 0, 1))
                step = f"{name()}.Conv2d_0" if fir else f"{name()}.Conv_0"
                seen = conv2d(seen, *p.layer(step, m * width, seen.shape[1], 3, 3), stride=2)
                h = seen = (seen + h) / math.sqrt(2)
            elif pyramid == "input-skip":
                seen = down(seen)
                h = conv2d(seen, *p.layer(f"{name()}.Conv_0", m * width, image, 1, 1)) + h
            hs.append(h)
    h = block(hs[-1], mults[-1] * width)
    h = block(attend(p, name(), h), mults[-1] * width)
    made = None
    for k in reversed(range(len(mults))):
        for _ in range(blocks + 1):
            h = block(torch.cat([h, hs.pop()], 1), mults[k] * width)
        if k in attention:
            h = attend(p, name(), h)
        if output_skip:
            made = read(h) if made is None else up(made) + read(h)
        if k:
            h = block(h, mults[k] * width, "up")
    return (read(h) if made is None else made).tanh()


def discriminator(
    p: Weights, x_prev: Tensor, t: Tensor, x_t: Tensor, *, width: int = 64, large: bool = False, embedding: int = 256
) -> Tensor:
    """Logits [B]; `t` counts from 0."""
    e = leaky_relu(linear(sinusoids(t, embedding), *p.layer("t_embed.main.0", embedding, embedding)), 0.2)
    e = leaky_relu(linear(e, *p.layer("t_embed.main.2", embedding, embedding)), 0.2)
    h = torch.cat([x_prev, x_t], 1)
    h = conv2d(h, *p.layer("start_conv", 2 * width, h.shape[1], 1, 1))
    for i, m in enumerate((4, 8, 8, 8, 8, 8) if large else (2, 4, 8, 8)):
        n, out, c = f"conv{i + 1}", m * width, h.shape[1]
        r = conv2d(leaky_relu(h, 0.2), *p.layer(f"{n}.conv1.0", out, c, 3, 3), padding=1)
        r = leaky_relu(r + linear(e, *p.layer(f"{n}.dense_t1", out, embedding))[:, :, None, None], 0.2)
        if large or i:
            r, h = filtered(r, 1, 2, 1, 1), filtered(h, 1, 2, 1, 1)
        r = conv2d(r, *p.layer(f"{n}.conv2.0", out, out, 3, 3), padding=1)
        h = (conv2d(h, p(f"{n}.skip.0.weight", out, c, 1, 1)) + r) / math.sqrt(2)
    b, c, height, width_ = h.shape
    groups = h.view(min(b, 4), -1, 1, c, height, width_)
    deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((2, 3, 4), keepdim=True).squeeze(2)
    h = torch.cat([h, deviation.repeat(min(b, 4), 1, height, width_)], 1)
    h = leaky_relu(conv2d(h, *p.layer("final_conv", c, c + 1, 3, 3), padding=1), 0.2)
    return linear(h.sum((2, 3)), *p.layer("end_linear", 1, c))[:, 0]


def real_loss(logits: Tensor) -> Tensor:
    """The non-saturating loss of real pairs, and of the generator."""
    return softplus(-logits).mean()
