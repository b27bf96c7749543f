"""The two updates of a denoising diffusion GAN, and the conditional GAN that it is at T = 1."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gentoolkit.components.augmentations.diffusion import Diffusion
from gentoolkit.components.augmentations.instance_noise import InstanceNoise
from gentoolkit.components.denoisers.mlp import MLP as Denoiser
from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.discriminators.mlp import MLP
from gentoolkit.components.methods import Plan, Term, Update
from gentoolkit.components.methods.ddgan import DDGAN
from gentoolkit.components.methods.gan_losses import LOSSES
from gentoolkit.components.regularizers.r1 import R1
from gentoolkit.components.regularizers.wgan_gp import WGANGP
from gentoolkit.diffusion import Draw
from gentoolkit.testing import tiny_batch, tiny_facts, tiny_parts

B = 16
SMALL = MLP(width=8, depth=1)


def draw(start=0, stop=B):
    return Draw((0, "train"), start, stop, dtype=torch.float64)


class Game:
    def __init__(self, facts=None, stir=True, judge=None, **options):
        config = DDGAN(discriminator=SMALL, **options)
        self.facts = facts or tiny_facts(latent=3)
        parts = tiny_parts(self.facts, dtype=torch.float64)
        self.judge = judge or SMALL.build(self.facts, {}).double()
        noise = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in self.judge.parameters() if stir else ():
                p.copy_(0.4 * torch.randn(p.shape, generator=noise, dtype=p.dtype))
        penalties = {name: r.build(self.facts, {}) for name, r in config.regularizers.items()}
        self.model = parts["model"]
        changes = {name: a.build(self.facts, parts) for name, a in config.augmentations.items()}
        own = {"discriminator": self.judge, "regularizers": penalties, "augmentations": changes}
        self.plan = config.build(self.facts, {**parts, **own})
        self.updates = {u.name: u for u in self.plan.updates}
        self.batch = tiny_batch(self.facts, B, torch.float64)

    def terms(self, name, step=0):
        update = self.updates[name]
        nets = {"denoiser": self.model, "discriminator": self.judge}
        return update.loss(nets, self.batch, draw(), update.active(step)).settled()


TABLE = {  # at logits -1, 0, 2: D on real, D on fake, the denoiser
    "non-saturating": (
        [math.log1p(math.e), math.log(2), math.log1p(math.exp(-2))],
        [math.log1p(math.exp(-1)), math.log(2), math.log1p(math.exp(2))],
        [math.log1p(math.e), math.log(2), math.log1p(math.exp(-2))],
    ),
    "hinge": ([2, 1, 0], [0, 1, 3], [1, 0, -2]),
    "least-squares": ([4, 1, 1], [1, 0, 4], [4, 1, 1]),
    "wasserstein": ([1, 0, -2], [-1, 0, 2], [1, 0, -2]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_table_of_losses(name):
    logits, (real, fake, denoiser) = torch.tensor([-1.0, 0.0, 2.0]), TABLE[name]
    loss = LOSSES[name]
    assert loss.real(logits).tolist() == pytest.approx(real)
    assert loss.fake(logits).tolist() == pytest.approx(fake)
    assert loss.denoiser(logits).tolist() == pytest.approx(denoiser)


def test_softplus_neither_overflows_nor_loses_its_gradient():
    far = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = LOSSES["non-saturating"]
    assert loss.denoiser(far).tolist() == [1e4, 0]
    (slope,) = torch.autograd.grad(loss.denoiser(far).sum(), far)
    assert slope.tolist() == [-1, 0]


@pytest.mark.parametrize("facts", [tiny_facts(latent=3), tiny_facts("image"), tiny_facts(steps=1, classes=3)])
def test_the_discriminator_starts_at_2_ln_2(facts):
    terms = Game(facts, stir=False).terms("discriminator")
    assert torch.allclose(terms.values["adversarial"], torch.full((B,), 2 * math.log(2), dtype=torch.float64), rtol=1e-12)
    assert bool((terms.logs["D_real"] == 0).all())


@pytest.mark.parametrize("name", LOSSES)
def test_both_losses_by_hand(name):
    game = Game(loss=name)
    q, loss, condition = game.model.process, LOSSES[name], game.batch.condition
    rng = draw()
    t = rng.integers("t", 1, 4)
    x_prev, x_t = q.pair(game.batch.x_0, t, rng)
    level = q.level(t, torch.float64)
    fake = game.model.step(x_t, t, t - 1, draw().scope("fake"), condition)
    r, f = game.judge(x_prev, x_t, level, condition), game.judge(fake, x_t, level, condition)
    found = game.terms("discriminator")
    assert torch.allclose(found.values["adversarial"], loss.real(r) + loss.fake(f), rtol=1e-10)
    assert torch.equal(found.t, t)
    assert torch.allclose(found.logs["D_real"], r)
    assert torch.allclose(found.logs["D_fake"], f)
    edge = 0.5 if name == "least-squares" else 0.0
    assert torch.equal(found.logs["D_accuracy"], ((r > edge).double() + (f < edge).double()) / 2)
    rng = draw()
    t = rng.integers("t", 1, 4)
    x_t = q.marginal(game.batch.x_0, t, rng.normal("eps", (2,)))
    fake = game.model.step(x_t, t, t - 1, draw().scope("fake"), condition)
    expected = loss.denoiser(game.judge(fake, x_t, q.level(t, torch.float64), condition))
    assert torch.allclose(game.terms("denoiser").values["adversarial"], expected, rtol=1e-10)


def test_at_one_step_it_is_a_conditional_gan_on_x_0_and_x_1():
    """x_prev is x_0 exactly and the step is the network's output: softplus(-D(x_0, x_1)) + softplus(D(G(x_1, z), x_1))."""
    game = Game(tiny_facts(latent=3, steps=1))
    seen = []
    game.judge.register_forward_pre_hook(lambda _, args: seen.append(args))
    terms = game.terms("discriminator")
    (real, x_1, level, _), (fake, same_x_1, *_) = seen
    assert torch.equal(real, game.batch.x_0)
    assert torch.equal(x_1, same_x_1)
    assert level.index.tolist() == [0] * B
    rng = draw()
    rng.integers("t", 1, 1)
    t = torch.ones(B, dtype=torch.long)
    z = game.model.draw_z(draw().scope("fake"))
    assert torch.allclose(fake, game.model.raw(x_1, t, z, game.batch.condition), rtol=1e-12)
    logits = [game.judge(x, x_1, level, game.batch.condition) for x in (game.batch.x_0, fake)]
    assert torch.allclose(terms.values["adversarial"], softplus(-logits[0]) + softplus(logits[1]), rtol=1e-10)
    alpha, sigma = game.model.process.alpha_sigma(t[:1])
    assert float((x_1 - alpha * game.batch.x_0).std() / sigma) == pytest.approx(1, abs=0.5)


def test_at_one_step_with_networks_that_do_not_see_x_1_it_is_a_plain_gan():
    """softplus(-D(x_0)) + softplus(D(G(z))), whatever x_1 is."""
    facts = tiny_facts(latent=3, steps=1)
    game = Game(facts, judge=MLP(width=8, depth=1, sees_x_t=False).build(facts, {}).double())
    game.model.denoiser = Denoiser(width=8, depth=1, sees_x_t=False).build(facts, {}).double()
    one = torch.ones(B, 1, dtype=torch.float64)  # the normalised time
    z = draw().scope("fake").normal("z", (3,))

    def D(x):
        return game.judge.net(torch.cat([x, one], dim=1)).squeeze(1)

    fake = game.model.denoiser.net(torch.cat([one, game.model.latent(z)], dim=1))
    expected = softplus(-D(game.batch.x_0)) + softplus(D(fake))
    assert torch.allclose(game.terms("discriminator").values["adversarial"], expected, rtol=1e-12)
    assert torch.allclose(game.terms("denoiser").values["adversarial"], softplus(-D(fake)), rtol=1e-12)


def test_the_denoiser_runs_without_gradient_in_the_discriminators_update():
    game = Game(regularizers={"r1": R1()})
    terms = game.terms("discriminator")
    sum(v.sum() for v in terms.values.values()).backward()
    assert all(p.grad is None for p in game.model.parameters())
    assert all(p.grad is not None for p in game.judge.parameters())


def test_r1_is_on_real_pairs_at_x_prev_alone():
    """gamma/2 ‖∇‖² of D at the real x_{t-1}, by finite differences through the whole update."""
    gamma = 0.7
    game = Game(regularizers={"r1": R1(gamma=gamma)})
    terms = game.terms("discriminator")
    rng, q = draw(), game.model.process
    t = rng.integers("t", 1, 4)
    x_prev, x_t = q.pair(game.batch.x_0, t, rng)
    level, h = q.level(t, torch.float64), 1e-6
    square = torch.zeros(B, dtype=torch.float64)
    for i in range(2):
        e = h * torch.eye(2, dtype=torch.float64)[i]
        up, down = (game.judge(x_prev + s * e, x_t, level, game.batch.condition).detach() for s in (1, -1))
        square += ((up - down) / (2 * h)) ** 2
    assert torch.allclose(terms.values["r1"], gamma / 2 * square, rtol=1e-5)


def test_lazy_penalties_are_due_every_so_often_and_fire_in_the_first_step():
    game = Game(regularizers={"r1": R1(every=3), "more": R1(every=2, gamma=0.1)})
    update = game.updates["discriminator"]
    due = [sorted(update.active(step)) for step in range(4)]
    assert due == [["adversarial", "more", "r1"], ["adversarial"], ["adversarial", "more"], ["adversarial", "r1"]]
    for step, names in enumerate(due):
        assert sorted(game.terms("discriminator", step).values) == names
    assert all(t.second_order == (t.name != "adversarial") for t in update.terms)


def test_a_gain_for_laziness_only_where_it_is_asked_for():
    plain, scaled = (
        Game(regularizers={"r1": R1(every=15, scale_by_every=s)}).terms("discriminator").values["r1"] for s in (False, True)
    )
    assert torch.allclose(scaled, 15 * plain, rtol=1e-12)


def test_several_scales_are_averaged():
    class Scales(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64))

        def forward(self, x_prev, x_t, level, condition):
            return x_prev.sum(1, keepdim=True) * self.w

    game = Game(judge=Scales(), stir=False)
    terms = game.terms("discriminator")
    assert terms.values["adversarial"].shape == (B,)
    assert terms.logs["D_accuracy"].shape == (B,)
    assert over_scales(torch.tensor([[1.0, 3.0]])).tolist() == [2]
    assert over_scales(torch.tensor([1.0])).tolist() == [1]


def test_the_plan():
    game = Game(critic_steps=3)
    assert [(u.name, u.trains, u.repeat) for u in game.plan.updates] == [
        ("discriminator", ("discriminator",), 3),
        ("denoiser", ("denoiser",), 1),
    ]
    assert [(n.name, n.ema) for n in game.plan.nets] == [("denoiser", True), ("discriminator", False)]
    assert game.updates["denoiser"].optimizer.betas == (0.5, 0.9)


def test_updates_and_terms_come_when_they_are_due():
    early, late = Update("a", (), (Term("x", every=2, weight=3.0),), None, None), Update("b", (), (), None, None, every=16)
    plan = Plan((), (early, late))
    assert [[u.name for u in plan.due(s)] for s in (0, 1, 16)] == [["a", "b"], ["a"], ["a", "b"]]
    assert early.active(0) == {"x"}
    assert early.active(1) == frozenset()
    assert Term("x", weight=3.0).weight_at(7) == 3
    assert Term("x", weight=lambda s: s / 2).weight_at(7) == 3.5


def test_what_is_legal_but_unlikely_is_noted():
    def notes(facts, **options):
        return [where for where, _ in DDGAN(discriminator=SMALL, **options).note(facts)]

    assert notes(tiny_facts()) == ["use"]
    assert notes(tiny_facts(steps=1)) == []
    assert notes(tiny_facts(latent=3), loss="wasserstein") == ["loss"]
    assert notes(tiny_facts(latent=3), loss="wasserstein", regularizers={"r1": R1()}) == []


def test_augmentations_change_what_the_discriminator_sees_and_the_denoiser_learns_through_them():
    """Real, fake and penalized pairs by one draw per sample and update, x_prev and x_t alike."""
    seen = []
    game = Game(augmentations={"noise": Diffusion()}, regularizers={"gp": WGANGP()})
    game.judge.register_forward_pre_hook(lambda _, args: seen.append(args[:2]))
    game.terms("discriminator")
    rng, q = draw(), game.model.process
    x_prev, x_t = q.pair(game.batch.x_0, rng.integers("t", 1, 4), rng)
    change = Diffusion().build(game.facts, {"process": q})

    def expected(x):
        return change(torch.cat([x, x_t], dim=1), draw().scope("augmentation", "noise")).chunk(2, dim=1)

    (real, seen_x_t), (fake, same_x_t), (between, also_same) = seen
    assert torch.allclose(real, expected(x_prev)[0], rtol=1e-12)
    assert torch.allclose(seen_x_t, expected(x_prev)[1], rtol=1e-12)
    assert torch.equal(seen_x_t, same_x_t)
    assert torch.equal(seen_x_t, also_same)
    u = draw().scope("gp").uniform("between")[:, None]
    assert torch.allclose(between, fake + u * (real - fake), rtol=1e-9)
    game.model.zero_grad()
    game.terms("denoiser").values["adversarial"].sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in game.model.parameters())


def test_instance_noise_is_on_what_is_judged_alone():
    seen = []
    game = Game(augmentations={"noise": InstanceNoise(share=1.0)})
    game.judge.register_forward_pre_hook(lambda _, args: seen.append(args[:2]))
    game.terms("discriminator")
    rng, q = draw(), game.model.process
    x_prev, x_t = q.pair(game.batch.x_0, rng.integers("t", 1, 4), rng)
    (real, told), (_, same) = seen
    assert torch.equal(told, x_t)
    assert torch.equal(same, x_t)
    change = InstanceNoise(share=1.0).build(game.facts, {})
    assert torch.equal(real, change(x_prev, draw().scope("augmentation", "noise")))


def test_augmentations_come_in_their_order_each_by_a_draw_of_its_own():
    one, two, both = (
        Game(augmentations=dict.fromkeys(names, Diffusion())).terms("denoiser").values["adversarial"]
        for names in (("a",), ("b",), ("a", "b"))
    )
    assert not torch.equal(one, two)
    assert not torch.equal(one, both)
    assert not torch.equal(two, both)
