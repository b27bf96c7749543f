"""Adversarial losses on logits, elementwise; what the discriminator and the denoiser minimise.

| name           | D on real        | D on fake      | denoiser       | source                                    |
|----------------|------------------|----------------|----------------|-------------------------------------------|
| non-saturating | softplus(-r)     | softplus(f)    | softplus(-f)   | Goodfellow et al. (2014); the paper       |
| hinge          | relu(1 - r)      | relu(1 + f)    | -f             | Lim and Ye (2017)                         |
| least-squares  | (r - 1)²         | f²             | (f - 1)²       | Mao et al. (2017)                         |
| wasserstein    | -r               | f              | -f             | Arjovsky et al. (2017)                    |
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from torch import Tensor
from torch.nn.functional import relu, softplus


@frozen
class AdversarialLoss:
    """Three elementwise functions of logits, and the logit at which D is undecided."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    denoiser: Callable[[Tensor], Tensor]
    undecided: float = 0.0


LOSSES = {
    "non-saturating": AdversarialLoss(lambda r: softplus(-r), softplus, lambda f: softplus(-f)),
    "hinge": AdversarialLoss(lambda r: relu(1 - r), lambda f: relu(1 + f), lambda f: -f),
    "least-squares": AdversarialLoss(lambda r: (r - 1) ** 2, lambda f: f**2, lambda f: (f - 1) ** 2, 0.5),
    "wasserstein": AdversarialLoss(lambda r: -r, lambda f: f, lambda f: -f),
}
