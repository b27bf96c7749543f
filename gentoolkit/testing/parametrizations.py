"""Parametrizations: what the network's output stands for, and the step that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.schedules.geometric import Geometric
from gentoolkit.components.schedules.rectified import Rectified
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_draw, tiny_facts

B = 8
SCHEDULES = {"vp": VP(), "rectified": Rectified(), "geometric": Geometric()}
T = 4


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Schedules that preserve variance, end at alpha = 0, and explode; points and images."""
    for name, schedule in SCHEDULES.items():
        for kind in ("points", "image"):
            more: dict[str, Any] = {"tiny/schedule": name}
            yield f"{name} {kind}", tiny_facts(kind, steps=T, schedule=schedule, parametrization=config, **more)


class Drawn:
    """A step model's surroundings without the model: process, pairs at every t in turn, and the perfect output."""

    def __init__(self, case: Case) -> None:
        facts, schedule = case.facts, SCHEDULES[str(case.facts.more.get("tiny/schedule", "vp"))]
        curve = schedule.build(facts, {})
        self.process = GaussianForward(curve.grid(facts.steps), curve)
        self.built = case.build({"process": self.process})
        self.t = torch.arange(B) % facts.steps + 1
        self.x_0 = tiny_draw(facts, B, "x_0", facts.shape, torch.float64)
        rng = Draw(("pair",), 0, B, dtype=torch.float64)
        self.x_prev, self.x_t = self.process.pair(self.x_0, self.t, rng)
        self.eps = self.process.eps_from_x_0(self.x_0, self.x_t, self.t)
        target = self.built.target(self.x_0, self.eps, self.x_prev, self.t)
        extra = case.config.channels(facts) - facts.shape[0]
        self.raw: Tensor = torch.cat([target, target.new_zeros(B, extra, *facts.shape[1:])], dim=1) if extra else target


def rng(name: str, n: int = B) -> Draw:
    """Noise, the same every time."""
    return Draw(("parametrizations", name), 0, n, dtype=torch.float64)


def what_it_offers_is_what_it_builds(case: Case) -> None:
    """Channels, target and density."""
    offered, d = case.config.offer(case.facts), Drawn(case)
    assert offered["raw_channels"] == case.config.channels(case.facts) >= case.facts.shape[0]
    assert offered["target"] == case.config.target
    assert offered["density"] == hasattr(d.built, "distribution")


def inputs_keep_shape_and_name_the_level(case: Case) -> None:
    """x_in has the shape and dtype of x_t, which stays as it is; the level is that of t."""
    d = Drawn(case)
    before = d.x_t.clone()
    x_in, level = d.built.inputs(d.x_t, d.t)
    assert x_in.shape == d.x_t.shape
    assert x_in.dtype == torch.float64
    assert torch.equal(before, d.x_t)
    assert torch.equal(level.index, d.t - 1)
    assert level.time.dtype == torch.float64
    assert bool(torch.as_tensor(level.log_snr).isfinite().all())
    assert bool(level.c_noise.isfinite().all())


def a_perfect_output_gives_back_x_0(case: Case) -> None:
    """target and x_0 are inverse, to rounding amplified by max(1, sigma/alpha, alpha/sigma)."""
    d = Drawn(case)
    if not hasattr(d.built, "x_0"):
        return
    alpha, sigma = d.process.alpha_sigma(d.t)
    allowed = 1e-12 * torch.stack([torch.ones_like(alpha), sigma / alpha, alpha / sigma]).amax(0)
    worst = (d.built.x_0(d.raw, d.x_t, d.t) - d.x_0).abs().flatten(1).amax(1)
    checked = torch.ones_like(d.t, dtype=torch.bool) if case.config.target != "eps" else alpha > 0
    assert bool((worst <= allowed)[checked].all()), worst


def the_last_step_is_noiseless(case: Case) -> None:
    """At t = 1 the step is x_0 itself, whatever the variance and the noise."""
    d = Drawn(case)
    t = torch.ones_like(d.t)
    one, two = (d.built.step(d.raw, d.x_t, t, t - 1, rng(name)) for name in "ab")
    assert torch.equal(one, two)
    if hasattr(d.built, "x_0"):
        assert torch.allclose(one, d.built.x_0(d.raw, d.x_t, t), rtol=1e-12, atol=1e-12)


def a_step_is_differentiable(case: Case) -> None:
    """The generator learns through it: gradients reach every number of the output that means x, at every t."""
    d = Drawn(case)
    raw = d.raw.clone().requires_grad_()
    x_s = d.built.step(raw, d.x_t, d.t, d.t - 1, rng("step"))
    assert x_s.shape == d.x_0.shape
    assert x_s.dtype == torch.float64
    x_s.sum().backward()
    assert raw.grad is not None
    assert bool(raw.grad.isfinite().all())
    assert bool((raw.grad[:, : case.facts.shape[0]] != 0).all())


def a_step_is_a_draw_of_its_distribution(case: Case) -> None:
    """Mean and variance of many steps are those of the Gaussian; skipped steps too."""
    d, n = Drawn(case), 4000
    if not hasattr(d.built, "distribution"):
        return
    for t_, s_ in ((T, T - 1), (T, 1), (2, 1)):
        if case.facts.steps != T:
            return
        row = int((d.t == t_).nonzero()[0])
        many = [v[row : row + 1].expand(n, *v.shape[1:]) for v in (d.raw, d.x_t)]
        t, s = torch.full((n,), t_), torch.full((n,), s_)
        drawn = d.built.step(*many, t, s, rng(f"{t_}{s_}", n))
        p = d.built.distribution(*many, t, s)
        variance = p.variance.expand_as(p.mean)[0]
        assert bool((variance > 0).all())
        assert bool(((drawn.mean(0) - p.mean[0]).abs() < 6 * (variance / n).sqrt()).all())
        assert bool(((drawn.var(0) / variance - 1).abs() < 6 * (2 / n) ** 0.5).all())


PARAMETRIZATIONS = Suite(
    "parametrizations",
    cases,
    (
        what_it_offers_is_what_it_builds,
        inputs_keep_shape_and_name_the_level,
        a_perfect_output_gives_back_x_0,
        the_last_step_is_noiseless,
        a_step_is_differentiable,
        a_step_is_a_draw_of_its_distribution,
    ),
)
