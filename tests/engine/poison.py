"""Losses that go wrong at a step that is named, for tests of what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from gentoolkit.components.methods import Terms
from gentoolkit.components.methods.adversarial import Adversarial
from gentoolkit.components.methods.gaussian_steps import GaussianSteps

HOMES = {"ddgan-lecam": Adversarial, "ddpm": GaussianSteps}


@contextmanager
def poisoned(
    method: str, update: str, when: Callable[[tuple[Any, ...]], bool], backward: bool = False
) -> Iterator[list[tuple[Any, ...]]]:
    """An update's loss is NaN, or only its gradient is, where `when(key of the draw)`; lists the keys at which it was.

    Keys are (seed, "train", step, update, repeat), longer where the step was drawn anew.
    """
    home, keys = HOMES[method], []
    honest = getattr(home, update)

    def loss(self: Any, nets: Any, batch: Any, rng: Any, active: Any) -> Terms:
        terms: Terms = honest(self, nets, batch, rng, active)
        if not when(rng.key):
            return terms
        keys.append(rng.key)
        first = next(iter(terms.values))
        if backward:
            terms.values[first].register_hook(lambda gradient: gradient * torch.nan)
            return terms
        values = {**terms.values, first: terms.values[first] * torch.nan}
        return Terms(values, terms.t, running={m: dict.fromkeys(v, values[first].detach()) for m, v in terms.running.items()})

    with mock.patch.object(home, update, loss):
        yield keys
