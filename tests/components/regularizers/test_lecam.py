"""LeCam: the logits of each side against the moving average of the other's."""

from __future__ import annotations

import torch

from gentoolkit.components.regularizers import Judged
from gentoolkit.components.regularizers.lecam import LeCam
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.diffusion import Draw
from gentoolkit.registry import Facts
from tests.components.methods.test_adversarial import B, Game

REAL, FAKE = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.0])


def judged(real=REAL, fake=FAKE):
    return Judged(None, None, real, fake, None, None, None)


def value(term, **logits):
    return term(None, judged(**logits), Draw((), 0, 2)).tolist()


def means(term):
    return {k: v.mean() for k, v in term.statistics(judged()).items()}


def test_the_term_by_hand():
    term = LeCam(gamma=0.5, average=0.9).build(Facts(), {})
    assert value(term) == [0.5 * (1 + 4), 0.5 * (9 + 0)]
    term.real.fill_(2.0)
    term.fake.fill_(-1.0)
    assert value(term) == [0.5 * (2**2 + 4**2), 0.5 * (4**2 + 2**2)]


def test_the_averages_forget_their_zeros_at_once_and_then_keep_their_share():
    term = LeCam(average=0.5).build(Facts(), {})
    expected, seen = 0.0, []
    for n in range(40):
        keep = min(0.5, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * 2.0
        term.follow(means(term))
        seen.append((float(term.real), float(term.fake), expected))
    assert seen[0][:2] == (1.8, -0.9) or abs(seen[0][0] - 1.8) < 1e-6
    for real, fake, exact in seen:
        assert abs(real - exact) < 1e-5
        assert abs(fake + exact / 2) < 1e-5
    assert float(term.updates) == 40


def test_logits_of_several_scales_are_averaged():
    term = LeCam(gamma=1.0).build(Facts(), {})
    pair = torch.stack([REAL - 1, REAL + 1], dim=1)
    assert value(term, real=pair) == value(term)
    assert term.statistics(judged(real=pair))["real"].tolist() == REAL.tolist()


def test_in_the_method_it_is_followed_in_every_step_and_penalizes_when_due():
    game = Game(regularizers={"lecam": LeCam(every=2), "r1": R1(every=3)})
    assert [r.name for r in game.plan.running] == ["lecam"]
    for step, names in ((0, {"adversarial", "lecam", "r1"}), (1, {"adversarial"}), (2, {"adversarial", "lecam"})):
        terms = game.terms("discriminator", step)
        assert set(terms.values) == names
        assert torch.equal(terms.running["lecam"]["real"], terms.logs["D_real"])
        assert torch.equal(terms.running["lecam"]["fake"], terms.logs["D_fake"])
        assert terms.logs["D_fake"].shape == (B,)
    assert not Game(regularizers={"r1": R1()}).terms("discriminator").running


def test_its_gradient_reaches_the_logits_and_not_the_averages():
    term = LeCam(gamma=1.0).build(Facts(), {})
    real = REAL.clone().requires_grad_()
    statistics = term.statistics(judged(real=real))
    term.follow({k: v.mean() for k, v in statistics.items()})
    assert not term.real.requires_grad
    (slope,) = torch.autograd.grad(term(None, judged(real=real), Draw((), 0, 2)).sum(), real)
    assert torch.allclose(slope, 2 * (REAL - term.fake))
