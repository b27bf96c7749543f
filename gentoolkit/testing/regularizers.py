"""Regularizers of a discriminator: one number per sample that the discriminator learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gentoolkit.components.discriminators.mlp import MLP
from gentoolkit.components.regularizers import Judged
from gentoolkit.components.schedules.vp import VP
from gentoolkit.diffusion import Draw, GaussianForward
from gentoolkit.registry import Facts

from .suite import Case, Suite
from .tiny import tiny_condition, tiny_draw, tiny_facts

B = 6


def cases(config: Any) -> Iterator[tuple[str, Facts]]:
    """Points and images."""
    yield "points", tiny_facts()
    yield "image class", tiny_facts("image", classes=3)


class Court:
    """A small discriminator in float64, and pairs that it has judged."""

    def __init__(self, case: Case, n: int = B) -> None:
        facts = case.facts
        self.term = case.build()
        self.differentiates = case.config.differentiates
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.judge: nn.Module = MLP(width=8, depth=1).build(facts, {}).double()
            for p in self.judge.parameters():
                nn.init.normal_(p, std=0.4)
        names = ("real", "fake", "x_t")
        self.real, self.fake, self.x_t = (tiny_draw(facts, n, k, facts.shape, torch.float64) for k in names)
        self.condition = tiny_condition(facts, n, torch.float64)
        process = GaussianForward(VP().build(facts, {}).grid(facts.steps))
        self.level = process.level(torch.arange(n) % facts.steps + 1, torch.float64)

    def judged(self) -> tuple[Callable[[Tensor], Tensor], Judged]:
        """What a term is given: the judge at the same x_t, and the pairs."""
        real = self.real.clone().requires_grad_("real" in self.differentiates)
        fake = self.fake.clone().requires_grad_("fake" in self.differentiates)

        def discriminate(x: Tensor) -> Tensor:
            logits: Tensor = self.judge(x, self.x_t, self.level, self.condition)
            return logits

        return discriminate, Judged(real, fake, discriminate(real), discriminate(fake), self.x_t, self.level, self.condition)

    def value(self, seed: int = 0) -> Tensor:
        """The term, `[B]`."""
        discriminate, judged = self.judged()
        rng = Draw((seed, "regularizers"), 0, len(judged.real), dtype=torch.float64)
        value: Tensor = self.term(discriminate, judged, rng)
        return value

    def statistics(self) -> Mapping[str, Tensor]:
        """What it follows, `[B]` each."""
        found: Mapping[str, Tensor] = self.term.statistics(self.judged()[1])
        return found


def one_finite_number_per_sample(case: Case) -> None:
    """`[B]`, in the dtype of the logits, the same under the same draw."""
    court = Court(case)
    value = court.value()
    assert value.shape == (B,)
    assert value.dtype == torch.float64
    assert bool(value.isfinite().all())
    assert torch.equal(value, court.value())


def the_discriminator_learns_from_it(case: Case) -> None:
    """Its gradient with respect to the weights is that of finite differences, and not zero."""
    court = Court(case)
    weights = list(court.judge.parameters())
    found = torch.autograd.grad(court.value().sum(), weights, allow_unused=True)
    noise = torch.Generator().manual_seed(4)
    direction = [torch.randn(p.shape, generator=noise, dtype=p.dtype) for p in weights]
    slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True) if g is not None)

    def moved(by: float) -> float:
        with torch.no_grad():
            for p, d in zip(weights, direction, strict=True):
                p.add_(by * d)
        return float(court.value().sum().detach())

    h = 1e-6
    expected = (moved(h) - moved(-2 * h)) / (2 * h)
    assert slope != 0
    assert abs(slope - expected) <= 1e-4 * abs(expected) + 1e-7


def lazy_and_scaled(case: Case) -> None:
    """`every` alone changes nothing of the value; with `scale_by_every` it is a factor."""
    plain, lazy, scaled = (
        Court(case.with_options(every=e, scale_by_every=s)).value() for e, s in ((1, False), (4, False), (4, True))
    )
    assert torch.equal(plain, lazy)
    assert torch.allclose(4 * plain, scaled, rtol=1e-12)


def its_strength_is_known_in_every_step(case: Case) -> None:
    """A finite factor that is not negative, from the first step to the last, and 1 where it says that it is constant."""
    weight, last = case.config.weight(case.facts), case.facts.training_steps - 1
    values = [weight(step) if callable(weight) else weight for step in (0, 1, last // 2, last)]
    assert all(math.isfinite(v) and v >= 0 for v in values)
    assert case.config.constant == (not callable(weight))


def what_it_remembers_is_all_in_its_buffers(case: Case) -> None:
    """One that follows the logits has no weights; its buffers move, and they are all that tells it from a new one."""
    court = Court(case)
    if not hasattr(court.term, "follow"):
        return
    memory: nn.Module = court.term.double()
    assert not list(memory.parameters())
    before, first = {k: v.clone() for k, v in memory.state_dict().items()}, court.value()
    assert before
    statistics = court.statistics()
    assert all(v.shape == (B,) for v in statistics.values())
    for _ in range(3):
        memory.follow({k: v.mean() for k, v in statistics.items()})  # type: ignore[operator]
    assert any(not torch.equal(v, before[k]) for k, v in memory.state_dict().items())
    again = court.value()
    assert not torch.equal(first, again)
    fresh = Court(case)
    fresh.term.double().load_state_dict(memory.state_dict(), strict=True)
    assert torch.equal(fresh.value(), again)


REGULARIZERS = Suite(
    "regularizers",
    cases,
    (
        one_finite_number_per_sample,
        the_discriminator_learns_from_it,
        lazy_and_scaled,
        its_strength_is_known_in_every_step,
        what_it_remembers_is_all_in_its_buffers,
    ),
)
