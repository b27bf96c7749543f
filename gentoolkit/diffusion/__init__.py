"""The mathematics of q and p: tensors in, tensors out.

grid = Curve(alpha_sigma).grid(steps=4)
q = GaussianForward(grid)
x_prev, x_t = q.pair(x_0, t, Draw((seed,), 0, len(x_0)))
x_prev ~ q.posterior(x_0, x_t, t)
"""

from .blend import Blend, along
from .broadcast import mean_per_sample, per_sample, sum_per_sample
from .budget import StepBudget, latent_budget
from .draw import Draw
from .forward import GaussianForward, Level
from .gaussian import Gaussian
from .grid import Curve, StepGrid
from .oracle import MixtureOracle

__all__ = [
    "Blend",
    "Curve",
    "Draw",
    "Gaussian",
    "GaussianForward",
    "Level",
    "MixtureOracle",
    "StepBudget",
    "StepGrid",
    "along",
    "latent_budget",
    "mean_per_sample",
    "per_sample",
    "sum_per_sample",
]
