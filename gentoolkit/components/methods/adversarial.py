"""The two updates of a denoising diffusion GAN   (paper, Eq. 4, 5; App. C.2).

    discriminator:  real(D(x_{t-1}, x_t, t)) + fake(D(x'_{t-1}, x_t, t)) + regularizers
                    (x_{t-1}, x_t) ~ q,  x'_{t-1} ~ p_theta(. | x_t)
    denoiser:       denoiser(D(x'_{t-1}, x_t, t))        with t, noise and z of its own

One summed loss and one backward per update; the denoiser runs without autograd in the discriminator's. With augmentations
D(a, b, t) is D of the changed pair throughout: for real, fake and penalized points, and for the denoiser, which learns through
them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gentoolkit.components.discriminators import over_scales
from gentoolkit.components.methods import Batch, Net, Plan, Running, Term, Terms, Update
from gentoolkit.components.regularizers import Judged
from gentoolkit.components.regularizers.slopes import watched
from gentoolkit.diffusion import Draw, Level
from gentoolkit.registry import Facts

from .gan_losses import LOSSES


def plan(config: Any, facts: Facts, parts: Mapping[str, Any]) -> Plan:
    """The plan of a `DDGAN` config; `parts` holds `model`, `discriminator`, `regularizers` and `augmentations`."""
    configs, built = config.regularizers, parts["regularizers"]
    differentiates = {name: r.differentiates for name, r in configs.items()}
    single = [name for name, a in config.augmentations.items() if not a.both]
    losses = Adversarial(config.loss, built, differentiates, parts["augmentations"], single)
    penalties = tuple(Term(n, r.weight(facts), r.every, r.second_order) for n, r in configs.items())
    return Plan(
        nets=(Net("denoiser", parts["model"], ema=True), Net("discriminator", parts["discriminator"])),
        updates=(
            Update(
                "discriminator",
                ("discriminator",),
                (Term("adversarial"), *penalties),
                losses.discriminator,
                config.optimizers["discriminator"],
                repeat=config.critic_steps,
            ),
            Update("denoiser", ("denoiser",), (Term("adversarial"),), losses.denoiser, config.optimizers["denoiser"]),
        ),
        running=tuple(Running(name, r) for name, r in built.items() if hasattr(r, "follow")),
    )


class Adversarial:
    """The two losses.

    Args:
        loss: a name in `LOSSES`.
        regularizers: built regularizers by term name.
        differentiates: which of `Judged.real` and `Judged.fake` each of them needs to require grad.
        augmentations: built augmentations by name, in order.
        single: those that change x_prev alone.
    """

    def __init__(
        self,
        loss: str,
        regularizers: Mapping[str, Callable[..., Tensor]],
        differentiates: Mapping[str, tuple[str, ...]],
        augmentations: Mapping[str, Callable[[Tensor, Draw], Tensor]],
        single: Collection[str] = (),
    ) -> None:
        self.loss, self.regularizers, self.differentiates = LOSSES[loss], regularizers, differentiates
        self.augmentations, self.single = augmentations, single

    def judge(self, net: Any, x_prev: Tensor, x_t: Tensor, level: Level, condition: Any, rng: Draw) -> Tensor:
        """Logits of the discriminator `net` for a pair as it sees it; within an update sample i is changed by the same draw,
        however often it is judged."""
        for name, augment in self.augmentations.items():
            draw = rng.scope("augmentation", name)
            if name in self.single:
                x_prev = augment(x_prev, draw)
            else:
                x_prev, x_t = augment(torch.cat([x_prev, x_t], dim=1), draw).chunk(2, dim=1)
        logits: Tensor = net(x_prev, x_t, level, condition)
        return logits

    def discriminator(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """Terms `adversarial` and one per active regularizer; logs the mean logits and D's accuracy."""
        model, net = nets["denoiser"], nets["discriminator"]
        t = rng.integers("t", 1, model.process.T)
        x_prev, x_t = model.process.pair(batch.x_0, t, rng)
        level = model.process.level(t, x_t.dtype)
        with torch.no_grad():
            fake = model.step(x_t, t, t - 1, rng.scope("fake"), batch.condition)
        penalties = {name: r for name, r in self.regularizers.items() if name in active}
        needed = {point for name in penalties for point in self.differentiates[name]}
        x_prev, fake = watched(x_prev, "real" in needed), watched(fake, "fake" in needed)

        def discriminate(x: Tensor) -> Tensor:
            return self.judge(net, x, x_t, level, batch.condition, rng)

        r, f = discriminate(x_prev), discriminate(fake)
        values: dict[str, Any] = {"adversarial": over_scales(self.loss.real(r)) + over_scales(self.loss.fake(f))}
        exact = not torch.is_autocast_enabled(x_t.device.type)
        judged = Judged(x_prev, fake, r, f, x_t, level, batch.condition, exact)
        for name, term in penalties.items():
            values[name] = partial(term, discriminate, judged, rng.scope(name))
        running = {n: r.statistics(judged) for n, r in self.regularizers.items() if hasattr(r, "statistics")}
        with torch.no_grad():
            right = (r > self.loss.undecided).to(r.dtype) + (f < self.loss.undecided).to(f.dtype)
            logs = {"D_real": over_scales(r), "D_fake": over_scales(f), "D_accuracy": over_scales(right / 2)}
        return Terms(values, t, logs, running)

    def denoiser(self, nets: Mapping[str, Any], batch: Batch, rng: Draw, active: frozenset[str]) -> Terms:
        """The term `adversarial`."""
        model, net = nets["denoiser"], nets["discriminator"]
        t = rng.integers("t", 1, model.process.T)
        x_t = model.process.marginal(batch.x_0, t, rng.normal("eps", tuple(batch.x_0.shape[1:])))
        fake = model.step(x_t, t, t - 1, rng.scope("fake"), batch.condition)
        logits = self.judge(net, fake, x_t, model.process.level(t, x_t.dtype), batch.condition, rng)
        return Terms({"adversarial": over_scales(self.loss.denoiser(logits))}, t)
